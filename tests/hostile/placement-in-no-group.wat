;; tries: to place events into a group that it does not name in the end
;; world: grouping
;; must: finish-chat contract "it placed events into group 1, and names 1 groups"

(func (export "place") (param $view i32) (result i32)
    (call $placed (local.get $view) (i32.const 0) (i32.sub (call $view.len (local.get $view)) (i32.const 1)) (i32.const 1) (i32.const 0) (i32.const -2)))
