;; tries: to leave events out by a rule that it does not have
;; must: evaluate contract "and it has 2 rules"

(func (export "evaluate") (param $view i32) (result i32)
    (call $all (local.get $view) (i32.const 3)))
