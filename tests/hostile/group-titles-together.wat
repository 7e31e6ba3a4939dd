;; tries: to hand over more by many titles than by one: a thousand groups with a title of 40 KB, all the same bytes of its memory
;; world: grouping
;; must: finish-chat output "handed over more than"

(func (export "finish-chat") (result i32)
    (local $at i32) (local $title i32) (local $group i32)
    (local.set $at (call $alloc (i32.const 32000)))
    (local.set $title (call $alloc (i32.const 40000)))
    (loop $more
        (call $group-at (i32.add (local.get $at) (i32.mul (local.get $group) (i32.const 32)))
            (i32.const 1024) (i32.const 8) (local.get $title) (i32.const 40000) (i32.const -1))
        (local.set $group (i32.add (local.get $group) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $group) (i32.const 1000))))
    (call $ok-list (local.get $at) (i32.const 1000)))
