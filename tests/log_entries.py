"""Write entries as a writer does, and read the rows of the log right after an act, as a page does."""

import uuid

from django.db import transaction

from audit.log.bundles import bundle_of, entry_of, insert_bundle
from audit.models import AuditLog
from audit.sequencing.catching_up import catch_up
from audit.services import recording


def log_rows():
    """``AuditLog.objects`` with the entries of everything recorded before the call."""
    catch_up()
    return AuditLog.objects


def insert_events(events, *, at, writer=None, first=1):
    """Write (event, actor) pairs in one bundle of a writer; return its id."""
    writer = writer or uuid.uuid4()
    many = [entry_of(event, actor) for event, actor in events]
    with transaction.atomic():
        insert_bundle(bundle_of(many, at=at, writer=str(writer), first=first))
    return writer


class RecordedEntry:
    """The result of ``record``. Other columns come from the row, which is read at the first use of one."""

    def __init__(self, recorded):
        self._recorded, self._row = recorded, None

    def __eq__(self, other):
        return self.event_id == other.event_id

    def __hash__(self):
        return hash(self.event_id)

    def __getattr__(self, name):
        if hasattr(self._recorded, name):
            return getattr(self._recorded, name)
        if self._row is None:
            self._row = log_rows().get(event_id=self._recorded.event_id)
        return getattr(self._row, name)


def record(event, actor, **options):
    """``audit.services.recording.record``, with the columns of the row that it becomes."""
    return RecordedEntry(recording.record(event, actor, **options))


def record_alone(event, actor):
    """``audit.services.recording.record_alone``, with the columns of the row that it becomes."""
    return RecordedEntry(recording.record_alone(event, actor))
