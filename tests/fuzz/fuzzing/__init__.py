"""Fuzz targets: each gives hostile bytes to one parser of the host, and says what must hold of it."""
