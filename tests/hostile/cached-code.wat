;; tries: to run in the name of another module: it leaves everything out, and whoever can write into the cache puts its compiled code there under an
;;    honest module's name
;; verdicts: repeated
;; must: answered "by itself it may do so; in the cache it is not taken for another (a test of its own)"

(func (export "evaluate") (param $view i32) (result i32) (call $all (local.get $view) (i32.const 1)))
