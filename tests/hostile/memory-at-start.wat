;; tries: to be given more memory than it may have before it runs at all
;; must: probe memory "more than 67108864 bytes of memory"

(memory (export "memory") 1025)
