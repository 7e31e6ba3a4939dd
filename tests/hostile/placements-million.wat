;; tries: to hand over millions of ranges for a handful of events
;; world: grouping
;; must: place output "handed over more than"

(func (export "place") (param $view i32) (result i32)
    (call $view.drop (local.get $view))
    (call $placement (call $alloc (i32.const 48000000)) (i32.const 4000000) (i32.const 0) (i32.const 0)))
