;; tries: to leave events out by a rule that it does not have
;; world: grouping
;; must: place contract "it names rule 9 and has 2"

(func (export "place") (param $view i32) (result i32)
    (i32.store (i32.const 512) (i32.const 0))
    (i32.store (i32.const 516) (i32.sub (call $view.len (local.get $view)) (i32.const 1)))
    (i32.store (i32.const 520) (i32.const 9))
    (call $view.drop (local.get $view))
    (call $placement (i32.const 0) (i32.const 0) (i32.const 512) (i32.const 1)))
