"""Compare the catalog of the connected database with that of a freshly migrated one."""

from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from kernel.databases.catalog.objects import Catalog, catalog_of, decode, differences
from kernel.databases.catalog.postgresql import STATEMENTS

# (kind, table, name, definition). Names are not case-sensitive.
_SQLITE = """
SELECT type, lower(tbl_name), CASE WHEN name = tbl_name THEN '' ELSE name END, sql FROM sqlite_master
"""
# A foreign key of another table with ON DELETE CASCADE deletes rows there, and so fires the triggers on that table.
_SQLITE_REFERENCES = """
SELECT 'foreign key', lower(f."table"), m.name, 'on delete ' || f.on_delete
FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'
"""


def schema_differences() -> list[str]:
    """One sentence for each object of the schema that differs. Raises django.db.Error."""
    expected = expected_catalog(connection.vendor)
    tables = {each.table for each in expected if each.table}
    functions = {each.name.partition("(")[0] for each in expected if each.kind == "function"}
    return list(differences(expected, read_catalog(tables, functions)))


@cache
def expected_catalog(vendor: str) -> Catalog:
    """The catalog after the migrations of this version."""
    return decode(catalog_file(vendor).read_text(encoding="utf-8"))


def catalog_file(vendor: str) -> Path:
    return Path(__file__).with_name(f"{vendor}.txt")


def read_catalog(tables: Collection[str], functions: Collection[str]) -> Catalog:
    """The objects of these tables and functions, and those that take the place of others. Raises django.db.Error."""
    read = _read_postgresql if connection.vendor == "postgresql" else _read_sqlite
    found = catalog_of(read(tables, functions))
    return {each: text for each, text in found.items() if not each.table or each.table in tables}


def _read_sqlite(tables: Collection[str], _functions: Collection[str]) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        rows: list[tuple[object, ...]] = cursor.execute(_SQLITE).fetchall()
        references = cursor.execute(_SQLITE_REFERENCES).fetchall()
    rows += [row for row in references if str(row[2]).lower() not in tables]
    # SQLite compares the names of tables only up to a NUL character.
    return [(kind, str(table).partition("\0")[0], name, text) for kind, table, name, text in rows]


def _read_postgresql(tables: Collection[str], functions: Collection[str]) -> list[tuple[object, ...]]:
    with transaction.atomic(), connection.cursor() as cursor:
        # Qualified, because a function of the same name can come first in the search path.
        cursor.execute(
            "SELECT pg_catalog.current_schemas(true), pg_catalog.current_setting('search_path'), "
            "pg_catalog.current_setting('quote_all_identifiers')"
        )
        [[schemas, path, quotes]] = cursor.fetchall()
        lasting = [schema for schema in schemas if not schema.startswith("pg_temp_")]
        begins = "begins" if lasting[:1] == ["pg_catalog"] else "does not begin"
        rows: list[tuple[object, ...]] = [("setting", "", "search_path", f"{begins} with pg_catalog")]
        others = [connection.ops.quote_name(schema) for schema in lasting if schema != "pg_catalog"]
        _set(cursor, search_path=", ".join(["pg_catalog", *others, "pg_temp"]), quote_all_identifiers="off")
        for statement in STATEMENTS:
            cursor.execute(
                statement, {"tables": list(tables), "functions": list(functions), "schemas": schemas}
            )
            rows += cursor.fetchall()
        _set(cursor, search_path=path, quote_all_identifiers=quotes)
    return rows


def _set(cursor: Any, **settings: str) -> None:
    """Until the end of the transaction, which may be the caller's."""
    for name, value in settings.items():
        cursor.execute("SELECT pg_catalog.set_config(%s, %s, true)", [name, value])
