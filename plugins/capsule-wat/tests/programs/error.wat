;; @task main max_retries=1
(component
  (core module $program
    (memory (export "memory") 1)
    (data (i32.const 16) "{\"error\": {\"error_type\": \"task_error\", \"message\": \"no soup for 42\", \"traceback\": \"error.wat:8\"}}")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "run") (param $call i32) (param $size i32) (result i32)
      ;; HERE: all that it does is to fail.
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (i32.const 96))
      (i32.const 0)))
  (core instance $i (instantiate $program))
  (func (export "run") (param "call" string) (result string)
    (canon lift (core func $i "run") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
