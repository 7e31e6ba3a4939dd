;; tries: to have the host match a pattern that takes exponential time where a matcher backtracks
;; schema: {"type":"object","properties":{"a":{"type":"string","pattern":"^(([a-z])+.)+[A-Z]([a-z])+$"}}}
;; config: {"a":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}
;; must: configure configuration "does not match"


