;; @task main ram="64MB" timeout="30s"
(component
  (core module $program
    (memory (export "memory") 1)
    (data (i32.const 16) "{\"error\": {\"error_type\": \"out_of_memory\", \"message\": \"there is no more memory\"}}")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "run") (param $call i32) (param $size i32) (result i32)
      ;; 16 pages of 64 KiB at a time. A task isn't ended for what it didn't get: the answer is -1.
      (loop $for-ever
        (br_if $for-ever (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (i32.const 80))
      (i32.const 0)))
  (core instance $i (instantiate $program))
  (func (export "run") (param "call" string) (result string)
    (canon lift (core func $i "run") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
