;; tries: to read texts, ids, senders and times by way of `row`, which every module may call
;; must: harmless "the verdicts: in a row all of that is empty"

;; id 256 to 264, at to 272, sender to 280, kind and flags to 284, text to 292, thread to 304, target to 316
(func (export "evaluate") (param $view i32) (result i32)
    (local $row i32) (local $saw i32)
    (loop $more
        (call $view.row (local.get $view) (local.get $row) (i32.const 256))
        (local.set $saw (i32.or (local.get $saw)
            (i32.or
                (i32.or (i32.load (i32.const 260)) (i64.ne (i64.load (i32.const 264)) (i64.const 0)))
                (i32.or
                    (i32.or (i32.load8_u (i32.const 272)) (i32.load (i32.const 288)))
                    (i32.or (i32.load8_u (i32.const 292)) (i32.load8_u (i32.const 304)))))))
        (local.set $row (i32.add (local.get $row) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $row) (call $view.len (local.get $view)))))
    (call $all (local.get $view) (i32.ne (local.get $saw) (i32.const 0))))
