"""Monorepos: which members a workspace has, what each was built of, and building many at once."""
