;; tries: the same while it is probed, on a text that the schema itself brings as its example
;; schema: {"type":"object","properties":{"a":{"type":"string","pattern":"[02468][0-9ab]{6000}[A-Zc-z]"}},"examples":[{"a":"(@repeat 10000 @iab)"}]}
;; must: probe refused "config-schema is no JSON Schema"
