;; tries: to forge lines of the host's log by line ends and control characters in why it gave up
;; must: evaluate gave-up "kept sealed"

(data (i32.const 512) "all well\0d\0a2026-01-01T00:00:00Z ERROR consign: the archive is gone\1b[2J\00")
(func (export "evaluate") (param $view i32) (result i32)
    (call $view.drop (local.get $view))
    (call $err (i32.const 512) (i32.const 70)))
