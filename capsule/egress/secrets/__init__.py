"""Secrets: values that the host puts into requests, and that no sandbox ever holds."""
