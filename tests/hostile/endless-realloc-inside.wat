;; tries: to run for ever in `cabi_realloc` while the host is inside one of its own functions, copying a column
;; needs: ids
;; must: evaluate deadline "ran out of time in evaluate"

(global $inside (mut i32) (i32.const 0))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (if (global.get $inside) (then (loop $forever (br $forever))))
    (call $alloc (local.get 3)))
(func (export "evaluate") (param $view i32) (result i32)
    (global.set $inside (i32.const 1))
    (call $view.ids (local.get $view) (i32.const 256))
    (unreachable))
