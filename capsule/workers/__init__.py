"""Worker processes: each holds one sandbox at a time, and nothing that is worth taking."""
