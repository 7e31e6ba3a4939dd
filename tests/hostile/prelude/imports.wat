;; What a guest may import: the contract, and WASI as `wasi.wit` has it. A guest gets those that it names.
;;
;; Shapes are those of the canonical ABI: a handle is an i32, a string or a list is a pointer and a length, and what does not fit into one result is written
;; where the last argument points.

(import "consign:filter/log@0.1.0" "emit" (func $log.emit (param $level i32) (param $at i32) (param $bytes i32)))

(import "consign:filter/data@0.1.0" "[resource-drop]chat" (func $chat.drop (param $chat i32)))
(import "consign:filter/data@0.1.0" "[method]chat.id" (func $chat.id (param $chat i32) (param $answer i32)))
(import "consign:filter/data@0.1.0" "[method]chat.source" (func $chat.source (param $chat i32) (param $answer i32)))
(import "consign:filter/data@0.1.0" "[method]chat.title" (func $chat.title (param $chat i32) (param $answer i32)))
(import "consign:filter/data@0.1.0" "[method]chat.labels" (func $chat.labels (param $chat i32) (param $answer i32)))
(import "consign:filter/data@0.1.0" "[method]chat.participants" (func $chat.participants (param $chat i32) (param $answer i32)))
(import "consign:filter/data@0.1.0" "[method]chat.participant-attribute"
    (func $chat.participant-attribute (param $chat i32) (param $at i32) (param $bytes i32) (param $answer i32)))
(import "consign:filter/data@0.1.0" "[method]chat.event-count" (func $chat.event-count (param $chat i32) (result i64)))
(import "consign:filter/data@0.1.0" "[method]chat.window-end" (func $chat.window-end (param $chat i32) (result i64)))

(import "consign:filter/data@0.1.0" "[resource-drop]view" (func $view.drop (param $view i32)))
(import "consign:filter/data@0.1.0" "[method]view.len" (func $view.len (param $view i32) (result i32)))
(import "consign:filter/data@0.1.0" "[method]view.times" (func $view.times (param $view i32) (param $answer i32)))
(import "consign:filter/data@0.1.0" "[method]view.utc-offsets"
    (func $view.utc-offsets (param $view i32) (param $at i32) (param $bytes i32) (param $answer i32)))
(import "consign:filter/data@0.1.0" "[method]view.senders" (func $view.senders (param $view i32) (param $answer i32)))
(import "consign:filter/data@0.1.0" "[method]view.ids" (func $view.ids (param $view i32) (param $answer i32)))
(import "consign:filter/data@0.1.0" "[method]view.texts" (func $view.texts (param $view i32) (param $answer i32)))
(import "consign:filter/data@0.1.0" "[method]view.matches" (func $view.matches (param $view i32) (param $list i32) (param $answer i32)))
(import "consign:filter/data@0.1.0" "[method]view.match-counts" (func $view.match-counts (param $view i32) (param $list i32) (param $answer i32)))
(import "consign:filter/data@0.1.0" "[method]view.row" (func $view.row (param $view i32) (param $row i32) (param $answer i32)))
(import "consign:filter/data@0.1.0" "[method]view.attachments" (func $view.attachments (param $view i32) (param $row i32) (param $answer i32)))

(import "wasi:cli/environment@0.2.0" "get-environment" (func $wasi.environment (param $answer i32)))
(import "wasi:cli/environment@0.2.0" "get-arguments" (func $wasi.arguments (param $answer i32)))
(import "wasi:cli/exit@0.2.0" "exit" (func $wasi.exit (param $failed i32)))
(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $wasi.stdout (result i32)))
(import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $wasi.write (param $stream i32) (param $at i32) (param $bytes i32) (param $answer i32)))
(import "wasi:io/streams@0.2.0" "[resource-drop]output-stream" (func $wasi.drop-stream (param $stream i32)))
(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $wasi.block (param $pollable i32)))
(import "wasi:io/poll@0.2.0" "poll" (func $wasi.poll (param $at i32) (param $count i32) (param $answer i32)))
(import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $wasi.drop-pollable (param $pollable i32)))
(import "wasi:clocks/wall-clock@0.2.0" "now" (func $wasi.wall-clock (param $answer i32)))
(import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $wasi.monotonic-clock (result i64)))
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $wasi.after (param $nanoseconds i64) (result i32)))
(import "wasi:random/random@0.2.0" "get-random-u64" (func $wasi.random (result i64)))
(import "wasi:random/random@0.2.0" "get-random-bytes" (func $wasi.random-bytes (param $bytes i64) (param $answer i32)))
(import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $wasi.directories (param $answer i32)))
(import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $wasi.socket (param $family i32) (param $answer i32)))
(import "wasi:http/types@0.2.0" "[constructor]fields" (func $wasi.http-fields (result i32)))
(import "wasi:http/types@0.2.0" "[resource-drop]fields" (func $wasi.drop-http-fields (param $fields i32)))
