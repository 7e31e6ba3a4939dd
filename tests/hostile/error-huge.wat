;; tries: to give up with a text of 50 MB
;; must: evaluate output "handed over more than"

(func (export "evaluate") (param $view i32) (result i32)
    (call $view.drop (local.get $view))
    (call $err (call $alloc (i32.const 50000000)) (i32.const 50000000)))
