"""The shared cache: which remote a project uses, with which key, and where a build asks it."""
