;; tries: to have one small core module instantiated very often, each instance with a memory of its own
;; world: around
;; must: probe memory

(core module $small (memory 1))
(@repeat 200 (core instance (instantiate $small)))
