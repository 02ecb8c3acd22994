"""Components of contracts that are not ours, written by hand: what `foreign_test` runs."""

from __future__ import annotations

import wasmtime

LIBRARY = """
  (core module $library
    (memory (export "memory") 64)
    (global $next (mut i32) (i32.const 65536))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $made i32)
      (local.set $made (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $made) (local.get 3)))
      local.get $made))
  (core instance $library (instantiate $library))
  (alias core export $library "memory" (core memory $memory))
  (alias core export $library "realloc" (core func $realloc))
"""

ENVIRONMENT = """
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))
    (export "get-arguments" (func (result (list string))))))
  (core func $get-environment
    (canon lower (func $environment "get-environment") (memory $memory) (realloc $realloc)))
  (core func $get-arguments
    (canon lower (func $environment "get-arguments") (memory $memory) (realloc $realloc)))
"""

FOLDERS = """
  (import "wasi:filesystem/types@0.2.9" (instance $files (export "descriptor" (type (sub resource)))))
  (alias export $files "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.9" (instance $preopens
    (alias outer 1 $descriptor (type $outer))
    (export "descriptor" (type $same (eq $outer)))
    (export "get-directories" (func (result (list (tuple (own $same) string)))))))
  (core func $get-directories
    (canon lower (func $preopens "get-directories") (memory $memory) (realloc $realloc)))
"""

API = """
  (import "capsule:host/api" (instance $api
    (type $task-error' (variant (case "invalid-name" string) (case "invalid-config" string)
      (case "invalid-args" string) (case "internal-error" string)))
    (export "task-error" (type $task-error (eq $task-error')))
    (type $response' (record (field "status" u16) (field "headers" (list (tuple string string)))
      (field "body" string)))
    (export "http-response" (type $response (eq $response')))
    (type $http-error' (variant (case "network-error" string) (case "timeout" string)
      (case "invalid-url" string)))
    (export "http-error" (type $http-error (eq $http-error')))
    (export "schedule-task" (func (param "task-name" string) (param "args-json" string)
      (param "config-json" string) (result (result string (error $task-error)))))
    (export "http-request" (func (param "method" string) (param "url" string)
      (param "headers" (list (tuple string string))) (param "body" (option string))
      (result (result $response (error $http-error)))))))
  (core func $schedule (canon lower (func $api "schedule-task") (memory $memory) (realloc $realloc)))
  (core func $request (canon lower (func $api "http-request") (memory $memory) (realloc $realloc)))
"""

RUNNER = """
(component
  {library}
  {api}
  {environment}
  {folders}
  (core module $program
    (import "library" "memory" (memory 64))
    (import "host" "schedule" (func $schedule (param i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "request" (func $request (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "get-environment" (func $get-environment (param i32)))
    (import "host" "get-directories" (func $get-directories (param i32)))
    {data}
    (data (i32.const 8) "{{\\"result\\":")
    (global $end (mut i32) (i32.const 0))
    (func $say (param $from i32) (param $size i32)
      (memory.copy (global.get $end) (local.get $from) (local.get $size))
      (global.set $end (i32.add (global.get $end) (local.get $size))))
    (func $say-byte (param $byte i32)
      (i32.store8 (global.get $end) (local.get $byte))
      (global.set $end (i32.add (global.get $end) (i32.const 1))))
    (func (export "run") (param $call i32) (param $size i32) (result i32)
      (global.set $end (i32.const 1048576))
      {body}
      (i32.store (i32.const 64) (i32.const {tag}))
      (i32.store (i32.const 68) (i32.const 1048576))
      (i32.store (i32.const 72) (i32.sub (global.get $end) (i32.const 1048576)))
      i32.const 64))
  (core instance $program (instantiate $program (with "library" (instance $library)) (with "host" (instance
    (export "schedule" (func $schedule))
    (export "request" (func $request))
    (export "get-environment" (func $get-environment))
    (export "get-directories" (func $get-directories))))))
  (func $run (param "args-json" string) (result (result string (error string)))
    (canon lift (core func $program "run") (memory $memory) (realloc $realloc)))
  (instance $runner (export "run" (func $run)))
  (export "capsule:host/task-runner" (instance $runner)))
"""

SCHEDULE_UNLESS_CHILD = """
      ;; {{"task_name":"child...: a task whose name begins with c says what it was called with.
      (if (i32.eq (i32.load8_u offset=14 (local.get $call)) (i32.const 99)) (then
        (call $say (i32.const 8) (i32.const 10))
        (call $say (local.get $call) (local.get $size))
        (call $say-byte (i32.const 125)))
      (else
        (call $schedule (i32.const 2000) (i32.const {name}) (i32.const 3000) (i32.const {arguments})
          (i32.const 5000) (i32.const {config}) (i32.const 128))
        (if (i32.load8_u (i32.const 128))
          (then
            ;; ["which error", "its message"]
            (call $say (i32.const 8) (i32.const 10))
            (call $say-byte (i32.const 91))
            (call $say-byte (i32.add (i32.const 48) (i32.load8_u (i32.const 132))))
            (call $say-byte (i32.const 44))
            (call $say-byte (i32.const 34))
            (call $say (i32.load (i32.const 136)) (i32.load (i32.const 140)))
            (call $say-byte (i32.const 34))
            (call $say-byte (i32.const 93))
            (call $say-byte (i32.const 125)))
          (else
            (call $say (i32.const 8) (i32.const 10))
            (call $say (i32.load (i32.const 132)) (i32.load (i32.const 136)))
            (call $say-byte (i32.const 125))))))
"""

REQUEST = """
      (call $request (i32.const 2000) (i32.const {method}) (i32.const 3000) (i32.const {url})
        (i32.const 5000) (i32.const {headers}) (i32.const {has_body}) (i32.const 4000) (i32.const {body})
        (i32.const 128))
      (call $say (i32.const 8) (i32.const 10))
      (if (i32.load8_u (i32.const 128))
        (then
          (call $say-byte (i32.const 91))
          (call $say-byte (i32.add (i32.const 48) (i32.load8_u (i32.const 132))))
          (call $say-byte (i32.const 93)))
        (else (call $say (i32.load (i32.const 144)) (i32.load (i32.const 148)))))
      (call $say-byte (i32.const 125))
"""

LOOK_AROUND = """
      (call $get-environment (i32.const 128))
      (call $get-directories (i32.const 136))
      (call $say (i32.const 8) (i32.const 10))
      (call $say-byte (i32.const 91))
      (call $say-byte (i32.add (i32.const 48) (i32.load (i32.const 132))))
      (call $say-byte (i32.const 44))
      (call $say-byte (i32.add (i32.const 48) (i32.load (i32.const 140))))
      (call $say-byte (i32.const 93))
      (call $say-byte (i32.const 125))
"""


def component(wat: str) -> bytes:
    """The binary of a component in WAT."""
    return bytes(wasmtime.wat2wasm(wat))


def segment(offset: int, text: str) -> str:
    """A data segment for a program's memory."""
    return f'(data (i32.const {offset}) "{_escaped(text.encode())}")'


def _escaped(data: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in data)


def runner(body: str, *, data: str = "", tag: int = 0, api: str = API) -> bytes:
    """A component of the reference implementation's contract whose ``run`` does ``body``."""
    return component(
        RUNNER.format(
            library=LIBRARY, api=api, environment=ENVIRONMENT, folders=FOLDERS, data=data, body=body, tag=tag
        )
    )


def answering(text: str, *, tag: int = 0, before: str = "") -> bytes:
    """A task-runner that says ``text`` whatever it is asked; with ``tag`` 1, as its error."""
    body = f"{before} (call $say (i32.const 2000) (i32.const {len(text.encode())}))"
    return runner(body, data=segment(2000, text), tag=tag)


def scheduling(name: str, arguments: str = "[]", config: str = "{}") -> bytes:
    """A task-runner that schedules a task; one whose name begins with c says how it was called."""
    data = segment(2000, name) + segment(3000, arguments) + segment(5000, config)
    sizes = {"name": len(name.encode()), "arguments": len(arguments.encode()), "config": len(config.encode())}
    return runner(SCHEDULE_UNLESS_CHILD.format(**sizes), data=data)


def requesting(url: str, *, method: str = "GET", body: str | None = None, headers: int = 0) -> bytes:
    """A task-runner that makes a request and says its body, or the number of its error in a list.

    ``headers`` is how many it sends, all of them empty.
    """
    data = segment(2000, method) + segment(3000, url) + segment(4000, body or "")
    return runner(
        REQUEST.format(
            method=len(method),
            url=len(url),
            headers=headers,
            has_body=int(body is not None),
            body=len(body or ""),
        ),
        data=data,
    )


def looking_around() -> bytes:
    """A task-runner that counts its variables and its folders."""
    return runner(LOOK_AROUND)


COMMAND = """
(component
  {library}
  {environment}
  {folders}
  (import "wasi:io/error@0.2.1" (instance $errors (export "error" (type (sub resource)))))
  (alias export $errors "error" (type $error))
  (import "wasi:io/poll@0.2.1" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.1" (instance $clock
    (alias outer 1 $pollable (type $outer))
    (export "pollable" (type $same (eq $outer)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $same))))))
  (import "wasi:io/streams@0.2.12" (instance $streams
    (alias outer 1 $error (type $outer))
    (export "error" (type $error (eq $outer)))
    (export "input-stream" (type $input (sub resource)))
    (export "output-stream" (type $output (sub resource)))
    (type $failure' (variant (case "last-operation-failed" (own $error)) (case "closed")))
    (export "stream-error" (type $failure (eq $failure')))
    (export "[method]input-stream.blocking-read" (func (param "self" (borrow $input)) (param "len" u64)
      (result (result (list u8) (error $failure)))))
    (export "[method]output-stream.check-write" (func (param "self" (borrow $output))
      (result (result u64 (error $failure)))))
    (export "[method]output-stream.write" (func (param "self" (borrow $output)) (param "contents" (list u8))
      (result (result (error $failure)))))))
  (alias export $streams "input-stream" (type $input))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stdin@0.2.0" (instance $stdin
    (alias outer 1 $input (type $outer))
    (export "input-stream" (type $same (eq $outer)))
    (export "get-stdin" (func (result (own $same))))))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output (type $outer))
    (export "output-stream" (type $same (eq $outer)))
    (export "get-stdout" (func (result (own $same))))))
  (import "wasi:cli/stderr@0.2.0" (instance $stderr
    (alias outer 1 $output (type $outer))
    (export "output-stream" (type $same (eq $outer)))
    (export "get-stderr" (func (result (own $same))))))
  (import "wasi:cli/exit@0.2.12" (instance $exit
    (export "exit" (func (param "status" (result))))
    (export "exit-with-code" (func (param "status-code" u8)))))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core func $read
    (canon lower (func $streams "[method]input-stream.blocking-read") (memory $memory) (realloc $realloc)))
  (core func $check (canon lower (func $streams "[method]output-stream.check-write") (memory $memory)))
  (core func $write (canon lower (func $streams "[method]output-stream.write") (memory $memory)))
  (core func $get-stdin (canon lower (func $stdin "get-stdin")))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $get-stderr (canon lower (func $stderr "get-stderr")))
  (core func $exit (canon lower (func $exit "exit")))
  (core func $exit-with-code (canon lower (func $exit "exit-with-code")))
  (core module $program
    (import "library" "memory" (memory 64))
    (import "host" "block" (func $block (param i32)))
    (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
    (import "host" "read" (func $read (param i32 i64 i32)))
    (import "host" "check" (func $check (param i32 i32)))
    (import "host" "write" (func $write (param i32 i32 i32 i32)))
    (import "host" "get-stdin" (func $get-stdin (result i32)))
    (import "host" "get-stdout" (func $get-stdout (result i32)))
    (import "host" "get-stderr" (func $get-stderr (result i32)))
    (import "host" "exit" (func $exit (param i32)))
    (import "host" "exit-with-code" (func $exit-with-code (param i32)))
    (import "host" "get-arguments" (func $get-arguments (param i32)))
    (import "host" "get-environment" (func $get-environment (param i32)))
    (import "host" "get-directories" (func $get-directories (param i32)))
    (data (i32.const 2000) "{text}")
    (global $out (mut i32) (i32.const 0))
    (func $say (param $from i32) (param $size i32)
      (call $check (global.get $out) (i32.const 128))
      (call $write (global.get $out) (local.get $from) (local.get $size) (i32.const 160)))
    (func (export "run") (result i32)
      (local $at i32) (local $end i32)
      (global.set $out (call $get-stdout))
      {body}))
  (core instance $program (instantiate $program (with "library" (instance $library)) (with "host" (instance
    (export "block" (func $block))
    (export "subscribe" (func $subscribe))
    (export "read" (func $read))
    (export "check" (func $check))
    (export "write" (func $write))
    (export "get-stdin" (func $get-stdin))
    (export "get-stdout" (func $get-stdout))
    (export "get-stderr" (func $get-stderr))
    (export "exit" (func $exit))
    (export "exit-with-code" (func $exit-with-code))
    (export "get-arguments" (func $get-arguments))
    (export "get-environment" (func $get-environment))
    (export "get-directories" (func $get-directories))))))
  (func $run (result (result)) (canon lift (core func $program "run")))
  (instance $command (export "run" (func $run)))
  (export "{export}" (instance $command)))
"""

ECHO = """
      (call $get-arguments (i32.const 192))
      (local.set $at (i32.load (i32.const 192)))
      (local.set $end (i32.add (local.get $at) (i32.mul (i32.const 8) (i32.load (i32.const 196)))))
      (loop $next
        (if (i32.lt_u (local.get $at) (local.get $end)) (then
          (call $say (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))
          (call $say (i32.const 2000) (i32.const 1))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (br $next))))
      i32.const 0"""

CAT = """
      (local.set $at (call $get-stdin))
      (loop $next
        (call $read (local.get $at) (i64.const 4096) (i32.const 192))
        (if (i32.eqz (i32.load8_u (i32.const 192))) (then
          (call $say (i32.load (i32.const 196)) (i32.load (i32.const 200)))
          (br $next))))
      i32.const 0"""

FLOOD = "(loop $again (call $say (i32.const 2000) (i32.const 4096)) (br $again)) unreachable"

BLOCK = "(call $block (call $subscribe (i64.const 30000000000))) i32.const 0"

COUNT_GRANTS = """
      (call $get-environment (i32.const 192))
      (call $get-directories (i32.const 200))
      (i32.store8 (i32.const 2000) (i32.add (i32.const 48) (i32.load (i32.const 196))))
      (i32.store8 (i32.const 2001) (i32.add (i32.const 48) (i32.load (i32.const 204))))
      (call $say (i32.const 2000) (i32.const 2))
      i32.const 0"""


def saying(text: bytes | str, *, then: str = "i32.const 0") -> bytes:
    """A command that writes ``text`` to stdout, and then does what ``then`` says."""
    raw = text.encode() if isinstance(text, str) else text
    return command(f"(call $say (i32.const 2000) (i32.const {len(raw)})) {then}", raw)


def command(body: str, text: bytes = b"\n", *, export: str = "wasi:cli/run@0.2.0") -> bytes:
    """A command that does ``body``, with ``text`` at 2000 in its memory."""
    return component(
        COMMAND.format(
            library=LIBRARY,
            environment=ENVIRONMENT,
            folders=FOLDERS,
            text=_escaped(text),
            body=body,
            export=export,
        )
    )
