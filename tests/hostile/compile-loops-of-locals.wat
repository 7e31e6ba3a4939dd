;; tries: to be compiled for ever by multiplication: in each of 500 loops, one in the other, each of 2,000 locals needs a value of its own
;; must: compile deadline "compiling the module took more than 1 s"

(func (param $a i32)
    (@repeat 2000 (local $l@i i32))
    (@repeat 500 loop )
    (@repeat 2000 (local.set $l@i (i32.add (local.get $l@i) (i32.const 1))))
    (@repeat 500 (br_if 0 (local.get $a)) end ))
