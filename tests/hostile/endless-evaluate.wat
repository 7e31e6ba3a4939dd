;; tries: to run for ever in `evaluate`
;; must: evaluate deadline "ran out of time in evaluate"

(func (export "evaluate") (param $view i32) (result i32)
    (loop $forever (br $forever)) (unreachable))
