;; tries: to give more verdicts than there are events
;; must: evaluate contract "verdicts on"

(func (export "evaluate") (param $view i32) (result i32)
    (local $events i32)
    (local.set $events (i32.add (call $view.len (local.get $view)) (i32.const 1)))
    (call $view.drop (local.get $view))
    (call $ok-list (call $alloc (local.get $events)) (local.get $events)))
