"""Check the triggers of the log: each exists, is enabled and as the migrations created it. There are no others."""

from collections.abc import Iterable, Iterator

from django.apps import apps
from django.db import connection

from audit.log.raw_rows import rows_of
from audit.log.triggers import WRITE_BUNDLE, Trigger, expected
from audit.verification.findings import Finding, FindingKind

# A trigger with tgenabled R fires only on a replica. A search_path of its function would lead to other tables.
_STORED = {
    "postgresql": """
SELECT t.tgname::text, c.relname::text, pg_get_triggerdef(t.oid, true), concat(p.prosrc, p.proconfig::text), t.tgenabled IN ('O', 'A')
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND pg_table_is_visible(c.oid)
""",
    "sqlite": "SELECT name, tbl_name, sql, '', 1 FROM sqlite_master WHERE type = 'trigger'",
}
# PostgreSQL only: a rule can rewrite an INSERT, like a trigger.
_RULES = (
    "SELECT rulename::text, tablename::text FROM pg_rules WHERE schemaname = ANY (current_schemas(false))"
)
_WRITE_BUNDLE = "SELECT prosrc FROM pg_proc WHERE proname = 'write_bundle' AND pg_function_is_visible(oid)"


def check_triggers() -> Iterator[Finding]:
    """Report triggers that are missing, disabled or replaced, and triggers or rules that no migration created."""
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
        yield Finding(FindingKind.TRIGGER, f"the trigger {each.name} of {each.table} {fault}")
    known = {(each.name, each.table) for each in expected(connection.vendor)}
    yield from _unexpected("trigger", names - known)
    if connection.vendor == "postgresql":
        yield from _unexpected("rule", set(rows_of(_RULES)))
        if {_one_line(source) for (source,) in rows_of(_WRITE_BUNDLE)} != {_one_line(WRITE_BUNDLE)}:
            yield Finding(FindingKind.TRIGGER, "the function write_bundle is missing or was replaced")


def _unexpected(what: str, named: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """Triggers and rules on any of our tables, because a trigger on one table can change another."""
    own = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    for name, table in sorted(named):
        if table.lower() in own:
            yield Finding(FindingKind.TRIGGER, f"the {what} {name} of {table} is not the application's")


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
