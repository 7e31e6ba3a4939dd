;; tries: to hold a thread of the host by sleeping for an hour
;; must: harmless "the verdicts, at once: sleeping takes no time"

(func (export "evaluate") (param $view i32) (result i32)
    (local $pollable i32)
    (local.set $pollable (call $wasi.after (i64.const 3600000000000)))
    (call $wasi.block (local.get $pollable))
    (call $wasi.drop-pollable (local.get $pollable))
    (call $all (local.get $view) (i32.const 0)))
