;; tries: to answer `describe` with a string of 50 MB
;; must: probe output "handed over more than"

(func (export "describe") (result i32)
    (local $at i32)
    (local.set $at (call $alloc (i32.const 50000000)))
    (call $list (local.get $at) (i32.const 50000000)))
