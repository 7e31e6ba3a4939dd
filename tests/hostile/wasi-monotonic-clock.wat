;; tries: to measure how long something takes, and so what other tenants do on the machine
;; must: harmless "the verdicts: each reading is a millisecond after the one before"

(func (export "evaluate") (param $view i32) (result i32)
    (local $before i64) (local $turn i32)
    (local.set $before (call $wasi.monotonic-clock))
    (loop $some
        (local.set $turn (i32.add (local.get $turn) (i32.const 1)))
        (br_if $some (i32.lt_u (local.get $turn) (i32.const 1000000))))
    (call $all (local.get $view) (i64.ne (i64.sub (call $wasi.monotonic-clock) (local.get $before)) (i64.const 1000000))))
