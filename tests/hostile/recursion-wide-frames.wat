;; tries: to step over the guard page at the end of the stack with frames of many kilobytes each
;; must: evaluate trap "stack"

(func $deeper (param $depth i64) (result i64)
    (@repeat 4000 (local $l@i i64))
    (@repeat 4000 (local.set $l@i (i64.add (local.get $depth) (i64.const @i))))
    (drop (call $deeper (i64.add (local.get $depth) (i64.const 1))))
    (@repeat 4000 (local.set $depth (i64.xor (local.get $depth) (local.get $l@i))))
    (local.get $depth))
(func (export "evaluate") (param $view i32) (result i32) (i32.wrap_i64 (call $deeper (i64.const 0))))
