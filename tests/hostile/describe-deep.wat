;; tries: to overflow the host's stack by JSON that is nested a hundred thousand deep
;; must: probe refused "it is no manifest"

(func (export "describe") (result i32)
    (local $at i32)
    (local.set $at (call $alloc (i32.const 100000)))
    (memory.fill (local.get $at) (i32.const 0x5b) (i32.const 100000))
    (call $list (local.get $at) (i32.const 100000)))
