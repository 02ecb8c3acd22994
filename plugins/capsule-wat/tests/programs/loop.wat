;; @task main compute=HIGH timeout="1s"
;; @task fuel compute=1000000
(component
  (core module $program
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "run") (param $call i32) (param $size i32) (result i32)
      (local $count i64)
      (loop $for-ever
        (local.set $count (i64.add (local.get $count) (i64.const 1)))
        (br $for-ever))
      (unreachable)))
  (core instance $i (instantiate $program))
  (func (export "run") (param "call" string) (result string)
    (canon lift (core func $i "run") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
