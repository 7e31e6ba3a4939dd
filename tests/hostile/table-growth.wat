;; tries: to take the host's memory through a table instead of a memory
;; call-ms: 5000
;; must: evaluate memory "more than 67108864 bytes of memory"

(table $table 1 funcref)
(func (export "evaluate") (param $view i32) (result i32)
    (loop $more (drop (table.grow $table (ref.null func) (i32.const 1000000))) (br $more))
    (unreachable))
