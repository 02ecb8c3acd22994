"""Hostile repositories, each a small trap, and a harness that notices what gets out of one.

`making` says what a trap is, and the modules `of_...` are the traps; `operators` is the person who runs the
command, with things worth stealing; `tracing` runs a command under strace and reads what it did; `noticing`
says what of that should not have happened.
"""
