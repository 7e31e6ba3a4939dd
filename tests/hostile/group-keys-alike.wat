;; tries: to make two e-mails that later runs can't tell apart
;; world: grouping
;; must: finish-chat contract "the key of group 1 is another group's too"

(func (export "finish-chat") (result i32)
    (call $group-at (i32.const 512) (i32.const 1024) (i32.const 8) (i32.const 1024) (i32.const 8) (i32.const -1))
    (call $group-at (i32.const 544) (i32.const 1024) (i32.const 8) (i32.const 1024) (i32.const 8) (i32.const -1))
    (call $ok-list (i32.const 512) (i32.const 2)))
