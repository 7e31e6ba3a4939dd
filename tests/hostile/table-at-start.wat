;; tries: to have a table of a thousand million elements
;; must: probe memory "more than 67108864 bytes of memory"

(table $table 1000000000 funcref)
