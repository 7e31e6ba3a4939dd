;; tries: to read who is in the chat without having asked for it
;; must: begin-chat refused-need "the module called chat.participants, which needs 'participants'"

(func (export "begin-chat") (param $chat i32) (result i32)
    (call $chat.participants (local.get $chat) (i32.const 256))
    (unreachable))
