;; tries: to behave while it is probed, on a few events, and not later, on more
;; must: evaluate trap "unreachable"

(func (export "evaluate") (param $view i32) (result i32)
    (if (i32.gt_u (call $view.len (local.get $view)) (i32.const 4)) (then (unreachable)))
    (call $all (local.get $view) (i32.const 0)))
