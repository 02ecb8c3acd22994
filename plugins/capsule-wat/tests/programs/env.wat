;; @task main env_variables=["GREETING"]
;;
;; What is in a variable goes into the answer as it is: this program expects no quotes in it.
(component
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))))
  ;; Memory has a module of its own: imported functions need it before the program is there.
  (core module $room
    (memory (export "memory") 2)
    ;; Room for what comes in: it is taken from the memory's end, and never given back.
    (global $top (mut i32) (i32.const 65536))
    (func $room (export "realloc")
      (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (global.get $top) (i32.shl (memory.size) (i32.const 16)))
        (then
          (if (i32.eq (i32.const -1)
                (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 1))))
            (then (unreachable)))))
      (local.get $at))
  )
  (core instance $memory (instantiate $room))
  (core module $program
    (import "memory" "memory" (memory 2))
    (import "environment" "get" (func $get-environment (param i32)))
    (data (i32.const 16) "GREETING")
    (data (i32.const 24) "SECRET")
    (data (i32.const 30) "{\"result\":{\"granted\":")
    (data (i32.const 51) ",\"other\":")
    (data (i32.const 60) "}}")
    (data (i32.const 62) "null")
    (data (i32.const 66) "\"")
    ;; The answer is put together from address 8192 on.
    (global $end (mut i32) (i32.const 8192))
    (func $say (param $text i32) (param $size i32)
      (memory.copy (global.get $end) (local.get $text) (local.get $size))
      (global.set $end (i32.add (global.get $end) (local.get $size))))
    (func $same (param $one i32) (param $other i32) (param $size i32) (result i32)
      (loop $bytes
        (if (i32.eqz (local.get $size)) (then (return (i32.const 1))))
        (local.set $size (i32.sub (local.get $size) (i32.const 1)))
        (br_if $bytes (i32.eq
          (i32.load8_u (i32.add (local.get $one) (local.get $size)))
          (i32.load8_u (i32.add (local.get $other) (local.get $size))))))
      (i32.const 0))
    ;; Says the value of a variable, or null. A variable is four numbers: where its name is and how long, and
    ;; the same of its value.
    (func $say-variable (param $name i32) (param $size i32)
      (local $variable i32) (local $left i32)
      (call $get-environment (i32.const 4096))
      (local.set $variable (i32.load (i32.const 4096)))
      (local.set $left (i32.load (i32.const 4100)))
      (loop $variables
        (if (local.get $left)
          (then
            (if (i32.eq (i32.load offset=4 (local.get $variable)) (local.get $size))
              (then
                (if (call $same (i32.load (local.get $variable)) (local.get $name) (local.get $size))
                  (then
                    (call $say (i32.const 66) (i32.const 1))
                    (call $say (i32.load offset=8 (local.get $variable))
                      (i32.load offset=12 (local.get $variable)))
                    (call $say (i32.const 66) (i32.const 1))
                    (return)))))
            (local.set $variable (i32.add (local.get $variable) (i32.const 16)))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br $variables))))
      (call $say (i32.const 62) (i32.const 4)))
    (func (export "run") (param $call i32) (param $size i32) (result i32)
      (call $say (i32.const 30) (i32.const 21))
      (call $say-variable (i32.const 16) (i32.const 8))
      (call $say (i32.const 51) (i32.const 9))
      (call $say-variable (i32.const 24) (i32.const 6))
      (call $say (i32.const 60) (i32.const 2))
      (i32.store (i32.const 0) (i32.const 8192))
      (i32.store (i32.const 4) (i32.sub (global.get $end) (i32.const 8192)))
      (i32.const 0)))
  (core func $get (canon lower (func $environment "get-environment")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core instance $i (instantiate $program
    (with "memory" (instance $memory))
    (with "environment" (instance (export "get" (func $get))))))
  (func (export "run") (param "call" string) (result string)
    (canon lift (core func $i "run")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")))))
