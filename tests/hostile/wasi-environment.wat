;; tries: to read the host's environment variables and arguments
;; must: harmless "the verdicts: both are empty"

(func (export "evaluate") (param $view i32) (result i32)
    (call $wasi.environment (i32.const 256))
    (call $wasi.arguments (i32.const 264))
    (call $all (local.get $view) (i32.or (i32.load (i32.const 260)) (i32.load (i32.const 268)))))
