;; tries: to use up the stack of the host's thread by calling itself
;; must: evaluate trap "stack"

(func $deeper (param $depth i64) (result i64)
    (i64.add (call $deeper (i64.add (local.get $depth) (i64.const 1))) (local.get $depth)))
(func (export "evaluate") (param $view i32) (result i32) (i32.wrap_i64 (call $deeper (i64.const 0))))
