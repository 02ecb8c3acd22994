"""From a file to a run that has started: what the command line and `capsule.run` have in common."""
