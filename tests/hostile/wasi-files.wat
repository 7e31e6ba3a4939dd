;; tries: to open the host's files
;; must: harmless "the verdicts: no folder is given to it"

(func (export "evaluate") (param $view i32) (result i32)
    (call $wasi.directories (i32.const 256))
    (call $all (local.get $view) (i32.ne (i32.load (i32.const 260)) (i32.const 0))))
