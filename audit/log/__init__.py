"""The entries of the log: their content, bytes, rows and numbers."""
