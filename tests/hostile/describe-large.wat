;; tries: to have the host read a manifest of a megabyte, which JSON makes into many small values
;; must: probe refused "bytes, and 262144 are the most"

(func (export "describe") (result i32)
    (local $at i32)
    (local.set $at (call $alloc (i32.const 1000000)))
    (memory.fill (local.get $at) (i32.const 0x5b) (i32.const 1000000))
    (call $list (local.get $at) (i32.const 1000000)))
