;; tries: to be read as what it is not: an honest module with one bit turned, anywhere
;; world: flips 300
;; must: answered "each of them is refused, ended or answers, and the host goes on"


