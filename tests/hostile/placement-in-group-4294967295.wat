;; tries: to have the host make room for four thousand million groups
;; world: grouping
;; must: place contract "names group more than 1000 of one chat"

(func (export "place") (param $view i32) (result i32)
    (call $placed (local.get $view) (i32.const 0) (i32.sub (call $view.len (local.get $view)) (i32.const 1)) (i32.const -1) (i32.const 0) (i32.const -2)))
