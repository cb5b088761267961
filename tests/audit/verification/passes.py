"""Run passes over the log, and read the alarms that they raise."""

from datetime import timedelta

from django.db import transaction

from audit.models import AuditAlarm, AuditPass
from audit.verification.passes.steps import read_pass, verify_next
from tests.tampering.altering import execute, without_triggers


def run_pass():
    """Begin a pass and finish it. Returns the number of steps."""
    if (current := read_pass()) and current.has_ended:
        begin_earlier(current)
    taken = 1
    verify_next()
    while not AuditPass.objects.get().has_ended:
        verify_next()
        taken += 1
    return taken


def begin_earlier(current, hours=1, **columns):
    """Store the pass as if it had begun before."""
    current.started_at -= timedelta(hours=hours)
    for name, value in columns.items():
        setattr(current, name, value)
    with transaction.atomic():
        current.save_with_mac()


def alarms():
    return list(AuditAlarm.objects.order_by("raised_at").values_list("kind", "log_id"))


def insert_copy(row, **columns):
    """Insert a copy of a row with other values, as an attacker can."""
    names = [field.column for field in row._meta.concrete_fields if field.column not in columns]
    places = ", ".join(["%s"] * len(columns))
    statement = (
        f"INSERT INTO {row._meta.db_table} ({', '.join([*columns, *names])}) "  # noqa: S608 - constants
        f"SELECT {places}, {', '.join(names)} FROM {row._meta.db_table} WHERE id = %s"
    )
    with without_triggers():
        assert execute(statement, [*columns.values(), row.pk])
