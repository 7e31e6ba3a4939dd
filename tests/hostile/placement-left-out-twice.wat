;; tries: to leave an event out twice, so that the accounts don't add up
;; world: grouping
;; must: place contract "is left out 2 times"

(func (export "place") (param $view i32) (result i32)
    (i32.store (i32.const 512) (i32.const 0))
    (i32.store (i32.const 516) (i32.sub (call $view.len (local.get $view)) (i32.const 1)))
    (i32.store (i32.const 524) (i32.const 1))
    (i32.store (i32.const 528) (i32.const 1))
    (call $view.drop (local.get $view))
    (call $placement (i32.const 0) (i32.const 0) (i32.const 512) (i32.const 2)))
