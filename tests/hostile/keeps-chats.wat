;; tries: to keep in memory, globals and tables what it saw in one chat, for the next one
;; must: harmless "the verdicts: each chat has an instance of its own, with nothing in it"

(table $table 1 funcref)
(global $seen (mut i32) (i32.const 0))
(func $mark (call $log.emit (i32.const 0) (i32.const 0) (i32.const 0)))
(elem declare func $mark)
(func (export "begin-chat") (param $chat i32) (result i32)
    ;; anything of an earlier chat in memory, globals, tables, or a memory that is larger than it began
    (global.set $seen (i32.or
        (i32.or (global.get $seen) (i32.load (i32.const 131000)))
        (i32.or (i32.eqz (ref.is_null (table.get $table (i32.const 0)))) (i32.ne (memory.size) (i32.const 2)))))
    (if (i32.eqz (global.get $seen)) (then
        (i32.store (i32.const 131000) (i32.const 1))
        (table.set $table (i32.const 0) (ref.func $mark))
        (drop (memory.grow (i32.const 1)))))
    (call $chat.drop (local.get $chat))
    (call $decide (i32.const 0) (i32.const 0)))
(func (export "evaluate") (param $view i32) (result i32) (call $all (local.get $view) (global.get $seen)))
