;; tries: to fill the host's memory or disk by a million log lines
;; call-ms: 10000
;; must: harmless "the log: lines of at most 1 KiB, 64 KiB in all"

(func (export "evaluate") (param $view i32) (result i32)
    (local $line i32)
    (loop $more
        (call $log.emit (i32.const 3) (i32.const 1024) (i32.const 60))
        (local.set $line (i32.add (local.get $line) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $line) (i32.const 1000000))))
    (call $all (local.get $view) (i32.const 0)))
