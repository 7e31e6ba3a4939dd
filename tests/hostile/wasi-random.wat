;; tries: to leave chats out by chance, so that the same export twice is not the same
;; verdicts: repeated
;; must: harmless "the verdicts: every run draws the same numbers"

(global $drawn (mut i32) (i32.const 0))
(func (export "begin-chat") (param $chat i32) (result i32)
    (call $wasi.random-bytes (i64.const 64) (i32.const 256))
    (global.set $drawn (i32.and
        (i32.xor (i32.wrap_i64 (call $wasi.random)) (i32.load8_u (i32.load (i32.const 256))))
        (i32.const 1)))
    (call $chat.drop (local.get $chat))
    (call $decide (i32.const 0) (i32.const 0)))
(func (export "evaluate") (param $view i32) (result i32) (call $all (local.get $view) (global.get $drawn)))
