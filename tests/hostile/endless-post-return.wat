;; tries: to run for ever in the function that the host calls when it has read an answer
;; must: evaluate deadline "ran out of time in evaluate"

(func (export "cabi_post_evaluate") (param $answer i32) (loop $forever (br $forever)))
