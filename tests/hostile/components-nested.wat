;; tries: to multiply instances by nesting: each component holds ten of the next
;; world: around
;; must: probe memory

(component $l0 (core module $m (memory 1)) (@repeat 10 (core instance (instantiate $m))))
(component $l1 (alias outer 1 $l0 (component $below)) (@repeat 10 (instance (instantiate $below))))
(component $l2 (alias outer 1 $l1 (component $below)) (@repeat 10 (instance (instantiate $below))))
(component $l3 (alias outer 1 $l2 (component $below)) (@repeat 10 (instance (instantiate $below))))
(instance (instantiate $l3))
