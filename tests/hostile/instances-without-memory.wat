;; tries: to have instances by the hundred that hold no memory, which no memory limit sees
;; world: around
;; must: probe memory "instance count too high"

(core module $empty)
(@repeat 900 (core instance (instantiate $empty)))
