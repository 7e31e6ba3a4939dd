;; tries: to have many small memories, each of which is nothing by itself
;; must: probe memory "memories"

(@repeat 40 (memory 1))
