;; tries: to have an event twice in one e-mail
;; world: grouping
;; must: place contract "is twice in group 0"

(func (export "place") (param $view i32) (result i32)
    (i32.store (i32.const 512) (i32.const 0))
    (i32.store (i32.const 516) (i32.sub (call $view.len (local.get $view)) (i32.const 1)))
    (i64.store (i32.const 524) (i64.load (i32.const 512)))
    (i32.store (i32.const 532) (i32.const 0))
    (call $view.drop (local.get $view))
    (call $placement (i32.const 512) (i32.const 2) (i32.const 0) (i32.const 0)))
