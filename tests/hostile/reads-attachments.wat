;; tries: to read the names of attachments without having asked for them
;; must: evaluate refused-need "the module called view.attachments, which needs 'attachments'"

(func (export "evaluate") (param $view i32) (result i32)
    (call $view.attachments (local.get $view) (i32.const 0) (i32.const 256))
    (unreachable))
