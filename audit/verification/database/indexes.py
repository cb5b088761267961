"""Check that the indexes have the rows of their tables. Filters read indexes, and a person with the file can alter one."""

from collections.abc import Iterator

import django.db
import psycopg
from django.db import connection

from audit.log.raw_rows import rows_of
from audit.verification.findings import Finding, FindingKind
from kernel.databases.catalog.comparing import expected_catalog

# Not a function of the same name that someone else created.
_AMCHECK = """
SELECT quote_ident(n.nspname) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.proname = 'bt_index_check' AND p.probin = '$libdir/amcheck' AND p.prosrc = 'bt_index_check'
    AND p.pronargs = 2 AND has_function_privilege(p.oid, 'EXECUTE')
"""
_TREES = """
SELECT i.oid, i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am m ON m.oid = i.relam
JOIN pg_class c ON c.oid = x.indrelid
WHERE x.indisvalid AND m.amname = 'btree' AND c.relname = ANY (%s) AND pg_table_is_visible(c.oid) ORDER BY i.relname
"""


def check_indexes() -> Iterator[Finding]:
    """On SQLite, check everything. On PostgreSQL, check B-trees if the extension amcheck is installed.

    Call it outside of a snapshot, which amcheck may reject. Raises django.db.Error.
    """
    if connection.vendor == "sqlite":
        for (message,) in rows_of("PRAGMA integrity_check"):
            if message != "ok":
                yield Finding(FindingKind.INDEX, str(message))
        return
    for (schema,) in list(rows_of(_AMCHECK)):  # none, or one
        tables = sorted({each.table for each in expected_catalog("postgresql") if each.table})
        for index, name in list(rows_of(_TREES, [tables])):
            if message := _message_of(schema, index):
                yield Finding(FindingKind.INDEX, f"{name}: {message}")


def can_check_indexes() -> bool:
    """False on PostgreSQL without amcheck, or without the right to call it. Raises django.db.Error."""
    return connection.vendor == "sqlite" or bool(list(rows_of(_AMCHECK)))


def _message_of(schema: str, index: int) -> str:
    """How the index differs from its table, or ""."""
    try:
        # With heapallindexed: each row of the table has its entry in the index.
        list(rows_of(f"SELECT {schema}.bt_index_check(%s::oid::regclass, true)", [index]))
    except django.db.Error as error:
        if isinstance(error.__cause__, psycopg.errors.IndexCorrupted | psycopg.errors.DataCorrupted):
            return str(error).splitlines()[0]
        if list(rows_of("SELECT 1 FROM pg_class WHERE oid = %s", [index])):
            raise
        # REINDEX CONCURRENTLY has replaced it meanwhile.
    return ""
