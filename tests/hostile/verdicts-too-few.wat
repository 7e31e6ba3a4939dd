;; tries: to leave the last event without a verdict
;; must: evaluate contract "verdicts on"

(func (export "evaluate") (param $view i32) (result i32)
    (local $events i32)
    (local.set $events (call $view.len (local.get $view)))
    (call $view.drop (local.get $view))
    (call $ok-list (call $alloc (local.get $events)) (i32.sub (local.get $events) (i32.const 1))))
