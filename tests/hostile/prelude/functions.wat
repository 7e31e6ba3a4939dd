;; What guests call, and the exports of an honest module. A guest gets the functions that it names, and those exports that it has not of its own.
;;
;; Memory: answers lie at 64, what the host answers at 256, the guest's own at 512; the manifest is at 1024, and from 65536 on it is `$alloc`'s.

(memory (export "memory") 2)
(global $heap (mut i32) (i32.const 65536))

;; So many bytes, never freed; grows the memory as it must.
(func $alloc (param $bytes i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap (i32.and (i32.add (i32.add (global.get $heap) (local.get $bytes)) (i32.const 7)) (i32.const -8)))
    (block $enough (loop $grow
        (br_if $enough (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
        (drop (memory.grow (i32.const 16)))
        (br $grow)))
    (local.get $at))

(func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (call $alloc (local.get 3)))

;; A list or a string that lies there.
(func $list (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 64) (local.get $at))
    (i32.store (i32.const 68) (local.get $length))
    (i32.const 64))

;; ok, with nothing in it
(func $ok (result i32) (i32.store (i32.const 64) (i32.const 0)) (i32.const 64))

;; ok of a list
(func $ok-list (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 64) (i32.const 0))
    (i32.store (i32.const 68) (local.get $at))
    (i32.store (i32.const 72) (local.get $length))
    (i32.const 64))

;; err of a string, or of a list of configuration errors
(func $err (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 64) (i32.const 1))
    (i32.store (i32.const 68) (local.get $at))
    (i32.store (i32.const 72) (local.get $length))
    (i32.const 64))

;; What `begin-chat` of a criterion answers: inspect (0), keep-all (1), omit-all (2) by a rule.
(func $decide (param $decision i32) (param $rule i32) (result i32)
    (i32.store (i32.const 64) (i32.const 0))
    (i32.store (i32.const 68) (local.get $decision))
    (i32.store (i32.const 72) (local.get $rule))
    (i32.const 64))

;; The same verdict on each event of the batch.
(func $all (param $view i32) (param $verdict i32) (result i32)
    (local $events i32) (local $at i32)
    (local.set $events (call $view.len (local.get $view)))
    (local.set $at (call $alloc (local.get $events)))
    (memory.fill (local.get $at) (local.get $verdict) (local.get $events))
    (call $view.drop (local.get $view))
    (call $ok-list (local.get $at) (local.get $events)))

;; One range of events into a group, and another left out by rule 0; a range whose end is -2 is not there.
(func $placed (param $view i32) (param $first i32) (param $last i32) (param $group i32) (param $first-out i32) (param $last-out i32) (result i32)
    (call $view.drop (local.get $view))
    (i32.store (i32.const 512) (local.get $first))
    (i32.store (i32.const 516) (local.get $last))
    (i32.store (i32.const 520) (local.get $group))
    (i32.store (i32.const 524) (local.get $first-out))
    (i32.store (i32.const 528) (local.get $last-out))
    (i32.store (i32.const 532) (i32.const 0))
    (call $placement
        (i32.const 512) (i32.ne (local.get $last) (i32.const -2))
        (i32.const 524) (i32.ne (local.get $last-out) (i32.const -2))))

;; ok of a placement: where the assignments lie and how many, and the same of what is left out.
(func $placement (param $assigned i32) (param $assignments i32) (param $left-out i32) (param $ranges i32) (result i32)
    (i32.store (i32.const 64) (i32.const 0))
    (i32.store (i32.const 68) (local.get $assigned))
    (i32.store (i32.const 72) (local.get $assignments))
    (i32.store (i32.const 76) (local.get $left-out))
    (i32.store (i32.const 80) (local.get $ranges))
    (i32.const 64))

;; ok of one group with this key and title, without labels; subject -1 is none.
(func $group (param $key i32) (param $key-bytes i32) (param $title i32) (param $title-bytes i32) (param $subject i32) (result i32)
    (call $group-at (i32.const 512) (local.get $key) (local.get $key-bytes) (local.get $title) (local.get $title-bytes) (local.get $subject))
    (call $ok-list (i32.const 512) (i32.const 1)))

;; Writes a group there: 32 bytes.
(func $group-at (param $at i32) (param $key i32) (param $key-bytes i32) (param $title i32) (param $title-bytes i32) (param $subject i32)
    (i32.store (local.get $at) (local.get $key))
    (i32.store offset=4 (local.get $at) (local.get $key-bytes))
    (i32.store offset=8 (local.get $at) (local.get $title))
    (i32.store offset=12 (local.get $at) (local.get $title-bytes))
    (i32.store offset=16 (local.get $at) (i32.ne (local.get $subject) (i32.const -1)))
    (i32.store offset=20 (local.get $at) (local.get $subject))
    (i64.store offset=24 (local.get $at) (i64.const 0)))

;; $manifest and $manifest-bytes are given by the harness.
(func $describe (export "describe") (result i32) (call $list (global.get $manifest) (global.get $manifest-bytes)))
(func $configure (export "configure") (param $at i32) (param $bytes i32) (result i32) (call $ok))
