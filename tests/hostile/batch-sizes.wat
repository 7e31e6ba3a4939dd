;; tries: to answer by how many events it is shown at once, so that an export depends on the host's memory
;; must: probe contract "depends on the size of the batches"

(func (export "evaluate") (param $view i32) (result i32)
    (call $all (local.get $view) (i32.gt_u (call $view.len (local.get $view)) (i32.const 2))))
