;; tries: to hold a thread of the host by a pattern that is not large, on a configuration that is
;; schema: {"type":"object","properties":{"a":{"type":"string","pattern":"[02468][0-9ab]{600}[A-Zc-z]"}}}
;; config: {"a":"(@repeat 60000 @iab)"}
;; must: configure configuration "262144 are the most where the schema has patterns"
