;; tries: to have many tables
;; must: probe memory "tables"

(@repeat 90 (table 1 funcref))
