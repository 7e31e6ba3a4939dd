;; tries: to refuse its configuration with a million errors
;; must: configure output "handed over more than"

(func (export "configure") (param $at i32) (param $bytes i32) (result i32)
    (call $err (call $alloc (i32.const 16000000)) (i32.const 1000000)))
