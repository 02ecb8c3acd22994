"""The parts of the soak: what is asked, who asks, what is watched, and what came of it."""
