"""The entries of the log: what they say, their bytes, their rows and their numbers."""
