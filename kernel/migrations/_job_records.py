"""The operations that move the jobs of one table into ``encryption_operations``, which has the jobs of all kinds.

The table keeps its rows, their ids, and the columns of its own kind. Its primary key becomes the link to the moved part.
"""

from typing import Any

from django.db import migrations, models
from django.db.migrations.operations.base import Operation

_COLUMNS = (
    "status",
    "created_at",
    "due_at",
    "started_at",
    "finished_at",
    "created_by",
    "actor_id",
    "created_by_name",
    "actor",
    "done",
    "total",
    "unit",
    "cancel_requested_at",
    "lease_until",
    "lease_holder",
    "attempts",
    "error_code",
)
_RULES = (
    "status_is_known",
    "lease_while_running",
    "finished_when_ended",
    "failure_has_a_code",
    "progress_within_total",
)
_RECORD = "ciphercanary.jobrecord"


class _AlterModelBases(Operation):
    """Let the model inherit from ``JobRecord``. Django has no operation for this. The table does not change."""

    def __init__(self, model: str) -> None:
        self.model = model

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.models[app_label, self.model].bases = (_RECORD,)
        state.reload_model(app_label, self.model)

    def database_forwards(self, *_states: Any) -> None:
        pass

    def database_backwards(self, *_states: Any) -> None:
        pass

    def describe(self) -> str:
        return f"Let {self.model} inherit from {_RECORD}"


def move_jobs(model: str, table: str, kind: str, *changes: Operation) -> list[Operation]:
    """The operations for the model of the current app; ``changes`` are those of its own indexes and constraints."""
    names = ", ".join(_COLUMNS)
    there = f"INSERT INTO encryption_operations (id, kind, {names}) SELECT id, '{kind}', {names} FROM {table}"
    found = f"SELECT {names} FROM encryption_operations e WHERE e.id = {table}.id"
    back = [
        f"UPDATE {table} SET ({names}) = ({found})",
        f"DELETE FROM encryption_operations WHERE kind = '{kind}'",
    ]
    link = models.OneToOneField(
        _RECORD, models.CASCADE, db_column="id", parent_link=True, primary_key=True, related_name="+", serialize=False
    )
    return [
        migrations.RunSQL(there, migrations.RunSQL.noop),
        *(migrations.RemoveConstraint(model, f"{model}_{rule}") for rule in _RULES),
        migrations.RemoveIndex(model, f"idx_{model}_due"),
        *changes,
        migrations.RunSQL(migrations.RunSQL.noop, back),  # before the constraints return
        *(migrations.RemoveField(model, name) for name in _COLUMNS),
        migrations.AlterField(model, "id", models.UUIDField(db_column="id", primary_key=True, serialize=False)),
        migrations.RenameField(model, "id", "record"),
        migrations.AlterField(model, "record", link),
        _AlterModelBases(model),
    ]
