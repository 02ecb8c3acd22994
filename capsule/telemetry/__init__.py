"""Runs as OpenTelemetry spans, metrics and log records. Nothing of it is imported unless it is on."""
