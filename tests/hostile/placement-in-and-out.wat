;; tries: to leave an event out that is in a group too
;; world: grouping
;; must: place contract "is in a group and left out too"

(func (export "place") (param $view i32) (result i32)
    (call $placed (local.get $view) (i32.const 0) (i32.sub (call $view.len (local.get $view)) (i32.const 1)) (i32.const 0) (i32.const 1) (i32.const 1)))
