;; tries: to keep the host busy by asking for the local times of one zone after the other, more of them than a view keeps
;; needs: times
;; must: evaluate deadline "ran out of time in evaluate"

(data (i32.const 512) "Europe/BerlinAsia/KolkataAmerica/LimaAfrica/CairoAsia/TokyoEurope/Paris")
(func $ask (param $view i32) (param $at i32) (param $bytes i32)
    (global.set $heap (i32.const 65536))
    (call $view.utc-offsets (local.get $view) (local.get $at) (local.get $bytes) (i32.const 256)))
(func (export "evaluate") (param $view i32) (result i32)
    (loop $forever
        (call $ask (local.get $view) (i32.const 512) (i32.const 13))
        (call $ask (local.get $view) (i32.const 525) (i32.const 12))
        (call $ask (local.get $view) (i32.const 537) (i32.const 12))
        (call $ask (local.get $view) (i32.const 549) (i32.const 12))
        (call $ask (local.get $view) (i32.const 561) (i32.const 10))
        (call $ask (local.get $view) (i32.const 571) (i32.const 12))
        (br $forever))
    (unreachable))
