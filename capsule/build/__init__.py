"""From a source to something that can run."""
