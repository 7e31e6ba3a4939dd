;; tries: to forge lines of the host's log by line ends and control characters in its own
;; must: harmless "the log: each line is one line, without control characters"

(data (i32.const 512) "all well\0d\0a2026-01-01T00:00:00Z ERROR consign: the archive is gone\1b[2J\00")
(func (export "evaluate") (param $view i32) (result i32)
    (call $log.emit (i32.const 1) (i32.const 512) (i32.const 70))
    (call $all (local.get $view) (i32.const 0)))
