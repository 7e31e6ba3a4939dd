;; tries: to make a copy for a participant that there is not
;; world: grouping
;; must: finish-chat contract "the subject of group 0 is participant 99"

(func (export "finish-chat") (result i32)
    (call $group (i32.const 1024) (i32.const 8) (i32.const 1024) (i32.const 8) (i32.const 99)))
