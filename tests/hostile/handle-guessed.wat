;; tries: to reach other tenants' batches by guessing handles
;; needs: ids
;; must: evaluate contract "handle"

(func (export "evaluate") (param $view i32) (result i32)
    (call $view.ids (i32.const 7) (i32.const 256))
    (unreachable))
