;; The exports of an honest criterion beside `describe` and `configure`: it keeps everything.
(func (export "begin-chat") (param $chat i32) (result i32)
    (call $chat.drop (local.get $chat))
    (call $decide (i32.const 0) (i32.const 0)))
(func (export "evaluate") (param $view i32) (result i32) (call $all (local.get $view) (i32.const 0)))
