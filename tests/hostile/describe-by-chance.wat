;; tries: to be another module each time that it is asked
;; must: harmless "what it describes: nothing that it has differs from one instance to the next"

(global $asked (mut i32) (i32.const 0))
(func (export "describe") (result i32)
    (global.set $asked (i32.add (global.get $asked) (i32.const 1)))
    (if (i32.gt_u (global.get $asked) (i32.const 1)) (then (unreachable)))
    (call $list (global.get $manifest) (global.get $manifest-bytes)))
