;; tries: to read what the platform knows of people without having asked for it
;; must: begin-chat refused-need "the module called chat.participant-attribute, which needs 'attributes'"

(func (export "begin-chat") (param $chat i32) (result i32)
    (call $chat.participant-attribute (local.get $chat) (i32.const 1024) (i32.const 4) (i32.const 256))
    (unreachable))
