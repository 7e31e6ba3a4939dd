;; tries: to overflow the arithmetic on ranges by the largest numbers that there are
;; world: grouping
;; must: place contract "is not one of a batch of"

(func (export "place") (param $view i32) (result i32)
    (call $placed (local.get $view) (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 0) (i32.const -2)))
