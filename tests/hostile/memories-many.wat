;; tries: to have many small memories, each of which is nothing by itself
;; must: probe memory "memory count too high"

(@repeat 40 (memory 1))
