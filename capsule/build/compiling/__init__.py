"""Compiling WebAssembly to native code in a process of its own, bounded in input, time and memory."""
