"""Words and sentences, shared by the Python members."""
