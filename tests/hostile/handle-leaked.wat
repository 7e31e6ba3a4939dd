;; tries: to keep the batch by not dropping its handle
;; must: evaluate contract "borrow handles still remain"

(func (export "evaluate") (param $view i32) (result i32)
    (local $events i32)
    (local.set $events (call $view.len (local.get $view)))
    (call $ok-list (call $alloc (local.get $events)) (local.get $events)))
