;; tries: to run for ever in its start function, before anything of it is called
;; must: probe deadline "ran out of time in its start"

(func $begin (loop $forever (br $forever)))
(start $begin)
