;; tries: to use up the stack through the host: `cabi_realloc`, called by the host, calls the host again
;; needs: ids
;; must: evaluate trap "cannot leave component instance"

(global $view-held (mut i32) (i32.const 0))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (if (global.get $view-held) (then (call $view.ids (global.get $view-held) (i32.const 256))))
    (call $alloc (local.get 3)))
(func (export "evaluate") (param $view i32) (result i32)
    (global.set $view-held (local.get $view))
    (call $view.ids (local.get $view) (i32.const 256))
    (unreachable))
