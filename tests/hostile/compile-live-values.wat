;; tries: to be compiled for ever: 12,000 values are alive at once, and there are some fifteen registers
;; must: compile deadline "compiling the module took more than 1 s"

(func (param $a i64) (result i64)
    (@repeat 12000 (local $l@i i64))
    (@repeat 12000 (local.set $l@i (i64.mul (local.get $a) (i64.const @i))))
    (@repeat 4 (@repeat 12000 (local.set $a (i64.xor (local.get $a) (local.get $l@i)))))
    (local.get $a))
