"""The resident host: a process of the user's that has everything loaded, and forks one child a command."""
