;; tries: to be taken though it exports nothing of the contract
;; world: component
;; must: check refused "exports neither"

(component)
