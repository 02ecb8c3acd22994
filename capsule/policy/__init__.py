"""The frozen policy of a task, and what it is parsed from."""
