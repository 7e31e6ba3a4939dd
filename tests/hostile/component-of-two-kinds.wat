;; tries: to export what the contract does not have beside what it has
;; world: around
;; must: harmless "the verdicts: nobody calls what else it exports"

(core module $more (func (export "f")))
(core instance $more (instantiate $more))
(func $more (canon lift (core func $more "f")))
(export "backdoor" (func $more))
