;; tries: to leave events out by chance, batch by batch: the numbers are the same each time, but not for batches of another size
;; must: probe contract "depends on the size of the batches"

(func (export "evaluate") (param $view i32) (result i32)
    (local $turn i32) (local $events i32) (local $at i32)
    (local.set $events (call $view.len (local.get $view)))
    (local.set $at (call $alloc (local.get $events)))
    ;; one number for the batch, its bits by row
    (i64.store (i32.const 512) (call $wasi.random))
    (loop $more
        (i32.store8 (i32.add (local.get $at) (local.get $turn))
            (i32.and (i32.const 1) (i32.load8_u offset=512 (i32.and (local.get $turn) (i32.const 7)))))
        (local.set $turn (i32.add (local.get $turn) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $turn) (local.get $events))))
    (call $view.drop (local.get $view))
    (call $ok-list (local.get $at) (local.get $events)))
