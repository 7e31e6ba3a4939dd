;; tries: to drop the batch's handle twice, and with the second one something of the host's
;; must: evaluate contract "handle"

(func (export "evaluate") (param $view i32) (result i32)
    (call $view.drop (local.get $view))
    (call $view.drop (local.get $view))
    (unreachable))
