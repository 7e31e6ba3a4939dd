;; tries: to have the host read numbers from where no number can lie
;; world: grouping
;; must: place contract "place"

(func (export "place") (param $view i32) (result i32)
    (call $view.drop (local.get $view))
    (call $placement (i32.const 513) (i32.const 1) (i32.const 0) (i32.const 0)))
