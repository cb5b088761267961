"""Write and read the log."""
