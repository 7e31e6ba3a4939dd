;; tries: to have the host write a column over the module's own answers, which harms the module alone
;; needs: ids
;; must: harmless "what other chats and modules answer"

(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8))
(func (export "evaluate") (param $view i32) (result i32)
    (call $view.ids (local.get $view) (i32.const 256))
    (call $all (local.get $view) (i32.const 0)))
