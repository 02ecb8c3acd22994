"""The record of every run: `.capsule/trace.db`."""
