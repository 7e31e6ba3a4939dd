;; tries: to read the texts without having asked for them
;; must: evaluate refused-need "the module called view.texts, which needs 'text'"

(func (export "evaluate") (param $view i32) (result i32)
    (call $view.texts (local.get $view) (i32.const 256))
    (unreachable))
