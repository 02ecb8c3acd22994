"""Sessions: a live sandbox that runs one piece of code after the other."""
