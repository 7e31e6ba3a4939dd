;; tries: to give up with a text that is none
;; must: evaluate contract "evaluate"

(data (i32.const 512) "\c3\28")
(func (export "evaluate") (param $view i32) (result i32)
    (call $view.drop (local.get $view))
    (call $err (i32.const 512) (i32.const 2)))
