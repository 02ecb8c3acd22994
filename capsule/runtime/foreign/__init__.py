"""Components that were not made for this host: how they are called, and what answers them."""
