;; tries: to have many tables
;; must: probe memory "table count too high"

(@repeat 90 (table 1 funcref))
