;; tries: to leave a whole chat out by a rule that it does not have; 256 would be rule 0 as a byte
;; must: begin-chat contract "it names rule 256 and has 2"

(func (export "begin-chat") (param $chat i32) (result i32)
    (call $chat.drop (local.get $chat))
    (call $decide (i32.const 2) (i32.const 256)))
