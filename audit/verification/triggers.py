"""The triggers of the log: each is there, enabled, and as the migrations created it."""

from collections.abc import Iterator

from django.db import connection

from audit.raw_rows import rows_of
from audit.triggers import Trigger, expected
from audit.verification.findings import Finding, Kind

# A trigger with tgenabled R fires on a replica only.
_STORED = {
    "postgresql": """
SELECT t.tgname::text, c.relname::text, pg_get_triggerdef(t.oid, true), p.prosrc, t.tgenabled IN ('O', 'A')
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND pg_table_is_visible(c.oid)
""",
    "sqlite": "SELECT name, tbl_name, sql, '', 1 FROM sqlite_master WHERE type = 'trigger'",
}


def check_triggers() -> Iterator[Finding]:
    """A trigger that is missing, disabled or replaced."""
    stored = {
        Trigger(name, table, _one_line(definition), _one_line(source)): is_enabled
        for name, table, definition, source, is_enabled in rows_of(_STORED[connection.vendor])
    }
    names = {(trigger.name, trigger.table) for trigger in stored}
    for each in expected(connection.vendor):
        trigger = Trigger(each.name, each.table, _one_line(each.definition), _one_line(each.source))
        if stored.get(trigger):
            continue
        if trigger in stored:
            fault = "is disabled"
        else:
            fault = "was replaced" if (each.name, each.table) in names else "is missing"
        yield Finding(Kind.TRIGGER, f"the trigger {each.name} of {each.table} {fault}")


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
