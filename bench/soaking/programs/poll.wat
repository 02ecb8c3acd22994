;; @task main timeout=300ms
;;
;; Blocks in a pollable of WASI's own, which neither fuel nor an interrupt reaches.
(component
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $p (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $p))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $outer))
    (export "pollable" (type $q (eq $outer)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $q))))))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core module $m
    (import "host" "block" (func $block (param i32)))
    (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
    (memory (export "memory") 4)
    (data (i32.const 16) "{\"result\":1}")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 65536)
    (func (export "run") (param i32 i32) (result i32)
      (call $block (call $subscribe (i64.const 30000000000)))
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (i32.const 12))
      i32.const 0))
  (core instance $i (instantiate $m (with "host" (instance
    (export "block" (func $block)) (export "subscribe" (func $subscribe))))))
  (func $run (param "call" string) (result string)
    (canon lift (core func $i "run") (memory (core memory $i "memory"))
      (realloc (core func $i "realloc"))))
  (export "run" (func $run)))
