"""Compare the catalog of the connected database with that of a freshly migrated one."""

from collections.abc import Collection
from functools import cache
from pathlib import Path

from django.db import connection

from kernel.databases.catalog import postgresql
from kernel.databases.catalog.objects import Catalog, catalog_of, decode, differences

# Each statement returns (kind, table, name, definition).
_STATEMENTS = {
    "postgresql": postgresql.STATEMENTS,
    "sqlite": (
        "SELECT type, tbl_name, CASE WHEN name = tbl_name THEN '' ELSE name END, sql FROM sqlite_master",
    ),
}


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
    names = (
        {"tables": list(tables), "functions": list(functions)} if connection.vendor == "postgresql" else None
    )
    rows = []
    with connection.cursor() as cursor:
        for statement in _STATEMENTS[connection.vendor]:
            cursor.execute(statement, names)
            rows += cursor.fetchall()
    found = catalog_of(rows)
    return {each: text for each, text in found.items() if not each.table or each.table in tables}
