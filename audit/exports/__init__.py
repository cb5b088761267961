"""Exports of the log: jobs that leave a file, and the files."""
