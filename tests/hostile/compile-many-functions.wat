;; tries: to be compiled for long by mere quantity: 16,000 functions, each of them nothing special
;; must: compile deadline "compiling the module took more than 1 s"

(@repeat 16000 (func (param i64 i64) (result i64)
    (@repeat 12 (local.set 0 (i64.rotl (i64.mul (local.get 0) (local.get 1)) (local.get 1)))) (local.get 0)))
