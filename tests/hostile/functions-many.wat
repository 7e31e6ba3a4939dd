;; tries: to have the host keep much for each instance, and compile long, by a hundred thousand functions of nothing
;; must: check refused "declares so many functions, imports, globals or segments"

(@repeat 100000 (func))
