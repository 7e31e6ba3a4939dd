;; tries: to have a few memories that are each allowed and together are not
;; must: probe memory "more than 67108864 bytes of memory"

(memory (export "memory") 400)
(@repeat 3 (memory 300))
