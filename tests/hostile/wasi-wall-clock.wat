;; tries: to read the time of day, by which verdicts would differ from run to run
;; must: harmless "the verdicts: the time is the window's end"

(global $end (mut i64) (i64.const 0))
(func (export "begin-chat") (param $chat i32) (result i32)
    (global.set $end (call $chat.window-end (local.get $chat)))
    (call $chat.drop (local.get $chat))
    (call $decide (i32.const 0) (i32.const 0)))
(func (export "evaluate") (param $view i32) (result i32)
    (call $wasi.wall-clock (i32.const 256))
    (call $all (local.get $view) (i64.ne (global.get $end)
        (i64.add
            (i64.mul (i64.load (i32.const 256)) (i64.const 1000))
            (i64.extend_i32_u (i32.div_u (i32.load (i32.const 264)) (i32.const 1000000)))))))
