;; tries: to fill the host's memory or disk by one log line of 5 MB
;; call-ms: 5000
;; must: harmless "the log: lines of at most 1 KiB, 64 KiB in all"

(func (export "evaluate") (param $view i32) (result i32)
    (local $at i32)
    (local.set $at (call $alloc (i32.const 5000000)))
    (memory.fill (local.get $at) (i32.const 65) (i32.const 5000000))
    (call $log.emit (i32.const 1) (local.get $at) (i32.const 5000000))
    (call $all (local.get $view) (i32.const 0)))
