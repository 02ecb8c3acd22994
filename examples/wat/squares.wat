;; @task main compute=LOW ram="16MB" timeout="10s" allowed_hosts=[]
;; @task square compute=LOW ram="16MB" timeout="5s" allowed_hosts=[]
;;
;; All tasks are started before the first is waited for: they run side by side.
(component
  (import "capsule:runtime/tasks@1.0.0" (instance $tasks
    (type $reason (enum "unknown-task" "bad-arguments" "depth-limit" "task-limit" "not-running"))
    (export "refusal" (type $refusal (eq $reason)))
    (type $why (record (field "reason" $refusal) (field "message" string)))
    (export "refused" (type $refused (eq $why)))
    (export "start" (func (param "task" string) (param "arguments" string)
      (result (result u64 (error $refused)))))
    (export "outcome" (func (param "task" u64) (result (option string))))))
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
    (import "tasks" "start" (func $start (param i32 i32 i32 i32 i32)))
    (import "tasks" "outcome" (func $outcome (param i64 i32)))
    (data (i32.const 16) "square")
    (data (i32.const 22) "{\"args\":[0],\"kwargs\":{}}")
    (data (i32.const 46) "{\"result\":")
    (data (i32.const 56) "[")
    (data (i32.const 57) ",")
    (data (i32.const 58) "]")
    (data (i32.const 59) "}")
    ;; The answer is put together from address 8192 on.
    (global $end (mut i32) (i32.const 8192))
    (func $say (param $text i32) (param $size i32)
      (memory.copy (global.get $end) (local.get $text) (local.get $size))
      (global.set $end (i32.add (global.get $end) (local.get $size))))
    (func $say-number (param $number i32)
      (if (i32.ge_u (local.get $number) (i32.const 10))
        (then (call $say-number (i32.div_u (local.get $number) (i32.const 10)))))
      (i32.store8 (global.get $end) (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
      (global.set $end (i32.add (global.get $end) (i32.const 1))))
    ;; Reads the next number of the call.
    (global $at (mut i32) (i32.const 0))
    (func $digit (result i32) (i32.sub (i32.load8_u (global.get $at)) (i32.const 48)))
    (func $number (result i32)
      (local $number i32)
      (loop $skip
        (if (i32.ge_u (call $digit) (i32.const 10))
          (then
            (global.set $at (i32.add (global.get $at) (i32.const 1)))
            (br $skip))))
      (loop $digits
        (if (i32.lt_u (call $digit) (i32.const 10))
          (then
            (local.set $number (i32.add (i32.mul (local.get $number) (i32.const 10)) (call $digit)))
            (global.set $at (i32.add (global.get $at) (i32.const 1)))
            (br $digits))))
      (local.get $number))
    ;; Starts a task, and gives its handle. What `start` gives lies at 4096: 0 and a handle, or a refusal.
    (func $started (param $name i32) (param $name-size i32) (param $arguments i32) (param $size i32) (result i64)
      (call $start (local.get $name) (local.get $name-size) (local.get $arguments) (local.get $size)
        (i32.const 4096))
      (if (i32.load8_u (i32.const 4096)) (then (unreachable)))
      (i64.load (i32.const 4104)))
    ;; Says the envelope of a task: what `outcome` gives lies at 4096, whether there is one, where, its size.
    (func $say-outcome (param $handle i64)
      (call $outcome (local.get $handle) (i32.const 4096))
      (call $say (i32.load (i32.const 4100)) (i32.load (i32.const 4104))))
    (func $main
      (local $n i32)
      (loop $start-all
        ;; The handle of the task for N is kept at 1024 + 8 N; N itself is written into the arguments.
        (i32.store8 (i32.const 31) (i32.add (i32.const 48) (local.get $n)))
        (i64.store offset=1024 (i32.shl (local.get $n) (i32.const 3))
          (call $started (i32.const 16) (i32.const 6) (i32.const 22) (i32.const 24)))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $start-all (i32.lt_u (local.get $n) (i32.const 8))))
      (local.set $n (i32.const 0))
      (call $say (i32.const 56) (i32.const 1))
      (loop $take-all
        (if (local.get $n) (then (call $say (i32.const 57) (i32.const 1))))
        (call $say-outcome (i64.load offset=1024 (i32.shl (local.get $n) (i32.const 3))))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $take-all (i32.lt_u (local.get $n) (i32.const 8))))
      (call $say (i32.const 58) (i32.const 1)))
    (func $square
      (local $n i32)
      (local.set $n (call $number))
      (call $say-number (i32.mul (local.get $n) (local.get $n))))
    (func (export "run") (param $call i32) (param $size i32) (result i32)
      (global.set $at (local.get $call))
      (call $say (i32.const 46) (i32.const 10))
      (if (i32.eq (i32.load8_u offset=9 (local.get $call)) (i32.const 109))  ;; m
        (then (call $main))
        (else (call $square)))
      (call $say (i32.const 59) (i32.const 1))
      (i32.store (i32.const 0) (i32.const 8192))
      (i32.store (i32.const 4) (i32.sub (global.get $end) (i32.const 8192)))
      (i32.const 0)))
  (core func $start (canon lower (func $tasks "start")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core func $outcome (canon lower (func $tasks "outcome")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core instance $i (instantiate $program
    (with "memory" (instance $memory))
    (with "tasks" (instance (export "start" (func $start)) (export "outcome" (func $outcome))))))
  (func (export "run") (param "call" string) (result string)
    (canon lift (core func $i "run")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")))))
