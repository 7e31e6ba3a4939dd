;; tries: to read the chat's title without having asked for it
;; must: begin-chat refused-need "the module called chat.title, which needs 'titles'"

(func (export "begin-chat") (param $chat i32) (result i32)
    (call $chat.title (local.get $chat) (i32.const 256))
    (unreachable))
