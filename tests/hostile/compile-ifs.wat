;; tries: to be compiled for ever: conditions one after the other, ten thousand of them, each about what the one before left. Time and memory that
;;    Cranelift takes for it grow with the square of their number
;; must: compile deadline "compiling the module took more than 1 s"

(func (param $a i64) (result i64)
    (@repeat 10000 (local.set $a (if (result i64) (i64.eqz (local.get $a))
        (then (i64.add (local.get $a) (i64.const 3)))
        (else (i64.sub (local.get $a) (i64.const 5))))))
    (local.get $a))
