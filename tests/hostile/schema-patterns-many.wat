;; tries: to have the host keep as much for its schema's patterns as they may take together
;; schema: {"type":"object","properties":{(@repeat 47 "p@i":{"pattern":"^[\\pL\\pN]{1,20}@i$"},)"last":{"type":"string"}}}
;; must: probe refused "10000 values"
