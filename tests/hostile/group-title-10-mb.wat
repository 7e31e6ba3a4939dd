;; tries: to have an e-mail with a title of 10 MB
;; world: grouping
;; call-ms: 5000
;; must: harmless "the title: at most 1 KiB"

(func (export "finish-chat") (result i32)
    (local $at i32)
    (local.set $at (call $alloc (i32.const 10000000)))
    (memory.fill (local.get $at) (i32.const 65) (i32.const 10000000))
    (call $group (i32.const 1024) (i32.const 8) (local.get $at) (i32.const 10000000) (i32.const -1)))
