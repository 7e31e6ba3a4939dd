;; tries: to run for ever in calls of the host, where no instruction of its own is interrupted for long
;; must: evaluate deadline "ran out of time in evaluate"

(func (export "evaluate") (param $view i32) (result i32)
    (loop $forever (drop (call $view.len (local.get $view))) (br $forever))
    (unreachable))
