;; tries: to place a range that ends before it begins
;; world: grouping
;; must: place contract "is not one of a batch of"

(func (export "place") (param $view i32) (result i32)
    (call $placed (local.get $view) (i32.sub (call $view.len (local.get $view)) (i32.const 1)) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -2)))
