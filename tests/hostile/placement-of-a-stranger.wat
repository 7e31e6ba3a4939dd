;; tries: to put into a user's copy what was said when that user was not in the chat
;; world: grouping
;; must: finish-chat contract "whose user was not in the chat then"

(func (export "finish-chat") (result i32)
    (call $group (i32.const 1024) (i32.const 8) (i32.const 1024) (i32.const 8) (i32.const 1)))
