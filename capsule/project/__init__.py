"""A project's settings, its root and environment, and where its user keeps what was built."""
