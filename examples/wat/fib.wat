;; @task main compute=MEDIUM ram="1MB" timeout="5s" allowed_hosts=[]
;;
;; The number of ways to climb 30 stairs in steps of one and two, counted one by one: 1.3 million calls.
(component
  (core module $program
    (memory (export "memory") 1)
    (data (i32.const 16) "{\"result\": ")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))

    (func $ways (param $stairs i32) (result i32)
      (if (result i32) (i32.lt_u (local.get $stairs) (i32.const 2))
        (then (i32.const 1))
        (else (i32.add
          (call $ways (i32.sub (local.get $stairs) (i32.const 1)))
          (call $ways (i32.sub (local.get $stairs) (i32.const 2)))))))

    ;; Writes a number at $end, the address after the answer so far.
    (global $end (mut i32) (i32.const 27))
    (func $write (param $number i32)
      (if (i32.ge_u (local.get $number) (i32.const 10))
        (then (call $write (i32.div_u (local.get $number) (i32.const 10)))))
      (call $write-byte (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10)))))
    (func $write-byte (param $byte i32)
      (i32.store8 (global.get $end) (local.get $byte))
      (global.set $end (i32.add (global.get $end) (i32.const 1))))

    (func (export "run") (param $call i32) (param $size i32) (result i32)
      (call $write (call $ways (i32.const 30)))
      (call $write-byte (i32.const 125))  ;; }
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (i32.sub (global.get $end) (i32.const 16)))
      (i32.const 0)))
  (core instance $i (instantiate $program))
  (func (export "run") (param "call" string) (result string)
    (canon lift (core func $i "run") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
