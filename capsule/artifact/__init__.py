"""What an artifact is: its sections, manifest and signatures, and components of other hosts."""
