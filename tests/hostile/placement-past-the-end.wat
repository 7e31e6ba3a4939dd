;; tries: to place events that are not of the batch
;; world: grouping
;; must: place contract "is not one of a batch of"

(func (export "place") (param $view i32) (result i32)
    (call $placed (local.get $view) (i32.const 0) (call $view.len (local.get $view)) (i32.const 0) (i32.const 0) (i32.const -2)))
