"""The frontend for components written by hand in WAT."""
