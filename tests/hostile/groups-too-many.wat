;; tries: to make more e-mails of a chat than a chat can have
;; world: grouping
;; must: finish-chat contract "groups for one chat, and 100000 are the most"

(func (export "finish-chat") (result i32)
    (call $ok-list (call $alloc (i32.const 3203200)) (i32.const 100100)))
