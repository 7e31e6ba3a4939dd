;; tries: to run for ever in `place`
;; world: grouping
;; must: place deadline "ran out of time in place"

(func (export "place") (param $view i32) (result i32) (loop $forever (br $forever)) (unreachable))
