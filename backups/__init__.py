"""Back up the database into a folder of files, and restore it into an empty SQLite or PostgreSQL database.

Both databases write the same files: one for each table, with a row on each line in the text format of PostgreSQL's
COPY. A signed manifest lists them. The key-encryption key is never part of a backup.
"""
