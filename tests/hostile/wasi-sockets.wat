;; tries: to connect to somebody outside
;; must: evaluate contract

(func (export "evaluate") (param $view i32) (result i32)
    ;; 0 is ok
    (call $wasi.socket (i32.const 0) (i32.const 256))
    (call $all (local.get $view) (i32.eqz (i32.load8_u (i32.const 256)))))
