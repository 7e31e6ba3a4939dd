;; tries: to write headers of its own into e-mails by way of a label, which templates put into headers
;; world: grouping
;; must: harmless "the labels: one line each, without control characters"

(data (i32.const 600) "team\0afx\0d\0aBcc: thief@evil.example")
(func (export "finish-chat") (result i32)
    (call $group-at (i32.const 512) (i32.const 1024) (i32.const 8) (i32.const 1024) (i32.const 8) (i32.const -1))
    (i32.store (i32.const 536) (i32.const 700))
    (i32.store (i32.const 540) (i32.const 1))
    (i32.store (i32.const 700) (i32.const 600))
    (i32.store (i32.const 704) (i32.const 7))
    (i32.store (i32.const 708) (i32.const 605))
    (i32.store (i32.const 712) (i32.const 27))
    (call $ok-list (i32.const 512) (i32.const 1)))
