"""Sums of money and of samples, shared by the Python members."""
