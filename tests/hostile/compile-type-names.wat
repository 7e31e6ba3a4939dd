;; tries: to have the host write down what it imports, to compare it with the contract: a function of a type that names one field of ten
;;    kilobytes 65,536 times
;; world: around
;; compile-mib: 512
;; must: compile memory "bytes of memory and was stopped"

(import "consign:filter/log@0.1.0" (instance
    (type $record (record (field "(@repeat 160 abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl)" u8)))
    (export "r" (type $t0 (eq $record)))
    (type $t1 (tuple $t0 $t0))
    (type $t2 (tuple $t1 $t1))
    (type $t3 (tuple $t2 $t2))
    (type $t4 (tuple $t3 $t3))
    (type $t5 (tuple $t4 $t4))
    (type $t6 (tuple $t5 $t5))
    (type $t7 (tuple $t6 $t6))
    (type $t8 (tuple $t7 $t7))
    (type $t9 (tuple $t8 $t8))
    (type $t10 (tuple $t9 $t9))
    (type $t11 (tuple $t10 $t10))
    (type $t12 (tuple $t11 $t11))
    (type $t13 (tuple $t12 $t12))
    (type $t14 (tuple $t13 $t13))
    (type $t15 (tuple $t14 $t14))
    (type $t16 (tuple $t15 $t15))
    (export "emit" (func (param "x" $t16)))))
