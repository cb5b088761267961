"""The catalog of the database: tables, columns, constraints, indexes, triggers, functions and settings.

``expected`` has those of a freshly migrated database, in ``postgresql.txt`` and ``sqlite.txt``. A test compares both files with one,
and ``python -m tests.catalogs`` writes them.
"""
