;; tries: to take a little of every call's time, so that no call is too long and the chat never ends
;; batches: 100000
;; must: evaluate deadline "ran out of time in evaluate" "for one chat"

(func (export "evaluate") (param $view i32) (result i32)
    (local $turn i32)
    (loop $some
        (local.set $turn (i32.add (local.get $turn) (i32.const 1)))
        (br_if $some (i32.lt_u (local.get $turn) (i32.const 300000))))
    (call $all (local.get $view) (i32.const 0)))
