;; tries: to declare a memory of 4 GiB from the start
;; must: probe memory "more than 67108864 bytes of memory"

(memory (export "memory") 65536)
