;; tries: to become hundreds of megabytes of compiled code: memories that nothing instantiates, each with a byte at either end of 16 MiB
;; world: around
;; must: harmless "their contents are not kept as images"

(core module
    (@repeat 30 (memory 256))
    (@repeat 30 (data (memory @i) (i32.const 0) "a") (data (memory @i) (i32.const 16777214) "b")))
