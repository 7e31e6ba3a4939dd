;; tries: to have the host check each of 20,001 values against each of 1,601 schemas, and list what is wrong with all of them
;; schema: {"type": "object", "properties": {"a": {"items": {"allOf": [(@repeat 1600 {"type": "string"},) {"type": "string"}]}}}}
;; config: {"a": [(@repeat 20000 0,) 0]}
;; must: configure configuration "the most for so large a schema"
