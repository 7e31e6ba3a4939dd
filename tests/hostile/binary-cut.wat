;; tries: to be read past its end: an honest module, cut anywhere
;; world: prefixes 61
;; must: check refused


