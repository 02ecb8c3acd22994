"""Components that were not made for this host: what they are, what they may use, and how they are called."""
