;; tries: to hand over a list of verdicts that fills the host's memory
;; must: evaluate output "handed over more than"

(func (export "evaluate") (param $view i32) (result i32)
    (call $view.drop (local.get $view))
    (call $ok-list (call $alloc (i32.const 50000000)) (i32.const 50000000)))
