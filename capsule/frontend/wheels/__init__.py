"""Installing wheels with the operator's uv or pip, confined, from the operator's own indexes."""
