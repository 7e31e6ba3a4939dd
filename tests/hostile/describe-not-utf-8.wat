;; tries: to hand over a string that is none
;; must: probe contract "describe"

(data (i32.const 512) "\ff\fe\fd")
(func (export "describe") (result i32) (call $list (i32.const 512) (i32.const 3)))
