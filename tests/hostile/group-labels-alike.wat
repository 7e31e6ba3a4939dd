;; tries: to have two labels of one name: they differ in a line end alone, which is cleaned away
;; world: grouping
;; must: finish-chat contract "two labels of one name"

(data (i32.const 600) "x\0a..x\0d")
(func (export "finish-chat") (result i32)
    (call $group-at (i32.const 512) (i32.const 1024) (i32.const 8) (i32.const 1024) (i32.const 8) (i32.const -1))
    (i32.store (i32.const 536) (i32.const 700))
    (i32.store (i32.const 540) (i32.const 2))
    (i32.store (i32.const 700) (i32.const 600))
    (i32.store (i32.const 704) (i32.const 2))
    (i32.store (i32.const 716) (i32.const 604))
    (i32.store (i32.const 720) (i32.const 2))
    (call $ok-list (i32.const 512) (i32.const 1)))
