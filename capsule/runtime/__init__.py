"""The executor: from an artifact and a call to an outcome."""
