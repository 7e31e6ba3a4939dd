;; tries: to fill the host's terminal or disk by way of standard output
;; must: harmless "the log, into which it goes: 64 KiB in all"

(func (export "evaluate") (param $view i32) (result i32)
    (local $turn i32) (local $stream i32)
    (memory.fill (i32.const 66000) (i32.const 65) (i32.const 4096))
    (local.set $stream (call $wasi.stdout))
    (loop $more
        (call $wasi.write (local.get $stream) (i32.const 66000) (i32.const 4096) (i32.const 256))
        (local.set $turn (i32.add (local.get $turn) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $turn) (i32.const 1000))))
    (call $wasi.drop-stream (local.get $stream))
    (call $all (local.get $view) (i32.const 0)))
