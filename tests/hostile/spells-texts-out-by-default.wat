;; tries: to get keywords of its own choice matched: they stand in its schema as the list's default
;; needs: matching
;; schema: {"type":"object","properties":{"any":{"type":"array","items":{"type":"string"},"default":["secret"],"x-consign-needles":{}}}}
;; must: harmless "the verdicts: a list that the configuration leaves out matches nothing"

(func (export "evaluate") (param $view i32) (result i32)
    (call $view.matches (local.get $view) (i32.const 0) (i32.const 256))
    ;; the column's first byte: the first text holds the word
    (call $all (local.get $view) (i32.load8_u (i32.load (i32.const 256)))))
