;; tries: to hold a thread of the host while it checks a configuration: by a pattern that stands at thousands of places at once. On a text of 69 KB it took
;;    seconds, and nothing stopped it
;; schema: {"type":"object","properties":{"a":{"type":"string","pattern":"[02468][0-9ab]{6000}[A-Zc-z]"}}}
;; config: {"a":"(@repeat 10000 @iab)"}
;; must: probe refused "config-schema is no JSON Schema"
