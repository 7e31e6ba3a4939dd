;; tries: to have the host read past the end of its memory
;; must: evaluate contract "evaluate"

(func (export "evaluate") (param $view i32) (result i32)
    (call $view.drop (local.get $view))
    (call $ok-list (i32.const -4) (i32.const 8)))
