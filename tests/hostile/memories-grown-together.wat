;; tries: to grow two memories in turn, so that neither is ever over the limit
;; must: evaluate memory "more than 67108864 bytes of memory"

(memory (export "memory") 2)
(memory $other 1)
(func (export "evaluate") (param $view i32) (result i32)
    (loop $more
        (drop (memory.grow (i32.const 16)))
        (drop (memory.grow $other (i32.const 16)))
        (br $more))
    (unreachable))
