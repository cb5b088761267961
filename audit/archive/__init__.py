"""The archive: segments of the log in files, whose successful operations leave the database."""
