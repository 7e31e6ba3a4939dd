;; tries: to write headers of its own into e-mails by line ends and control characters in a group's title
;; world: grouping
;; must: harmless "the title: one line, without control characters"

(data (i32.const 600) "title\0d\0aBcc: thief@evil.example\00\1b[31m\7f\c2\85")
(func (export "finish-chat") (result i32)
    (call $group (i32.const 1024) (i32.const 8) (i32.const 600) (i32.const 39) (i32.const -1)))
