"""The catalog of the database: tables, columns, constraints, indexes, triggers, functions and settings.

``postgresql.txt`` and ``sqlite.txt`` have those of a freshly migrated database. ``python -m tests.catalogs`` writes both files,
and a test compares each with such a database.
"""
