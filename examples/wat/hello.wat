;; @task main compute=LOW ram="1MB" timeout="5s" allowed_hosts=[]
(component
  (core module $program
    (memory (export "memory") 1)
    (data (i32.const 16) "{\"result\": \"hello\"}")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "run") (param $call i32) (param $size i32) (result i32)
      ;; The answer: where it is, and its length in bytes.
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (i32.const 19))
      (i32.const 0)))
  (core instance $i (instantiate $program))
  (func (export "run") (param "call" string) (result string)
    (canon lift (core func $i "run") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
