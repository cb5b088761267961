"""Other spellings of a stored value, which Django reads as the same value. Only SQLite stores them."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.tampering.altering import execute, query, without_triggers

DASHED = (
    "substr({0}, 1, 8) || '-' || substr({0}, 9, 4) || '-' || substr({0}, 13, 4) || '-' || "
    "substr({0}, 17, 4) || '-' || substr({0}, 21)"
)
UUID_SPELLINGS = {
    "dashes": DASHED,
    "upper case": "upper({0})",
    "braces": "'{{' || {0} || '}}'",
    "a blob": "CAST({0} AS BLOB)",
    "a NUL behind it": "CAST(CAST({0} AS BLOB) || x'0041' AS TEXT)",
}
TIMESTAMP_SPELLINGS = {
    "T and Z": "replace({0}, ' ', 'T') || 'Z'",
    "a T": "replace({0}, ' ', 'T')",
    "an offset": "{0} || '+00:00'",
    "two spaces": "replace({0}, ' ', '  ')",
    "a blob": "CAST({0} AS BLOB)",
    "a NUL behind it": "CAST(CAST({0} AS BLOB) || x'0041' AS TEXT)",
}
SECOND_SPELLINGS = TIMESTAMP_SPELLINGS | {"six zeros": "{0} || '.000000'", "no seconds": "substr({0}, 1, 16)"}
JSON_SPELLINGS = {
    "no spaces": "json({0})",
    "a space before it": "' ' || {0}",
    "a name twice": """replace({0}, '{{', '{{"name": "x", ')""",
    "an escape": "replace({0}, 'name', '\\u006eame')",
    "a blob": "CAST({0} AS BLOB)",
}
TEXT_SPELLINGS = {"a blob": "CAST({0} AS BLOB)", "a NUL behind it": "{0} || char(0)"}

COLUMNS = {
    ("audit_logs", "event_id"): UUID_SPELLINGS,
    ("audit_logs", "user_id"): UUID_SPELLINGS,
    ("audit_logs", "writer"): UUID_SPELLINGS,
    ("audit_logs", "timestamp"): TIMESTAMP_SPELLINGS,
    ("audit_logs", "action"): TEXT_SPELLINGS,
    ("audit_logs", "meta"): TEXT_SPELLINGS | {"a space before it": "' ' || {0}"},
    ("audit_logs", "mac"): TEXT_SPELLINGS,
    ("audit_trail", "event_id"): UUID_SPELLINGS,
    ("audit_trail", "changed_by"): UUID_SPELLINGS,
    ("audit_trail", "changed_at"): TIMESTAMP_SPELLINGS,
    ("audit_trail", "new_values"): JSON_SPELLINGS,
    ("audit_trail", "old_values"): {"JSON null": "coalesce({0}, 'null')"},
    ("audit_bundles", "writer"): UUID_SPELLINGS,
    ("audit_bundles", "at"): TIMESTAMP_SPELLINGS,
    ("audit_bundles", "mac"): TEXT_SPELLINGS,
    ("audit_bundles", "body"): {"text": "CAST({0} AS TEXT)"},
    ("audit_tiles", "hashes"): {"text": "CAST({0} AS TEXT)"},
    ("audit_tree", "root"): {"text": "CAST({0} AS TEXT)"},
    ("audit_checkpoints", "note"): TEXT_SPELLINGS,
    ("audit_checkpoints", "signed_at"): SECOND_SPELLINGS,
    ("usage_rollups", "key_id"): TEXT_SPELLINGS,
    ("usage_rollups", "hour"): SECOND_SPELLINGS,
    ("usage_rollups", "last_at"): TIMESTAMP_SPELLINGS,
}
CASES = [
    (table, column, name, spelling)
    for (table, column), spellings in COLUMNS.items()
    for name, spelling in spellings.items()
]


def respell(table: str, column: str, spelling: str) -> tuple[int, str]:
    """Respell the first row that the spelling changes; return its rowid and its former value as SQL."""
    other = spelling.format(column)
    [(row, before)] = query(
        f"SELECT rowid, quote({column}) FROM {table} WHERE {other} IS NOT {column} ORDER BY rowid LIMIT 1"  # noqa: S608 - constants
    )
    execute(f"UPDATE {table} SET {column} = {other} WHERE rowid = {row}")  # noqa: S608 - constants
    return row, before


@contextmanager
def respelled(table: str, column: str, spelling: str) -> Iterator[None]:
    """Respell a value for the duration of the block."""
    with without_triggers():
        row, before = respell(table, column, spelling)
    yield
    with without_triggers():
        execute(f"UPDATE {table} SET {column} = {before} WHERE rowid = {row}")  # noqa: S608 - constants
