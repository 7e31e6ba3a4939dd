;; tries: to spell texts out by asking for one keyword list after the other, past those that its schema marks
;; needs: matching
;; schema: {"type":"object","properties":{"any":{"type":"array","items":{"type":"string"},"x-consign-needles":{}}}}
;; config: {"any":["secret"]}
;; must: evaluate contract "it asked for keyword list 1, and its config-schema marks 1"

(func (export "evaluate") (param $view i32) (result i32)
    (call $view.matches (local.get $view) (i32.const 0) (i32.const 256))
    (call $view.matches (local.get $view) (i32.const 1) (i32.const 256))
    (unreachable))
