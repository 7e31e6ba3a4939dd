;; tries: to read the chat in `evaluate` by the handle that `begin-chat` had
;; must: evaluate contract "handle"

(global $chat-held (mut i32) (i32.const 0))
(func (export "begin-chat") (param $chat i32) (result i32)
    (global.set $chat-held (local.get $chat))
    (call $chat.drop (local.get $chat))
    (call $decide (i32.const 0) (i32.const 0)))
(func (export "evaluate") (param $view i32) (result i32)
    (call $chat.id (global.get $chat-held) (i32.const 256))
    (call $all (local.get $view) (i32.const 1)))
