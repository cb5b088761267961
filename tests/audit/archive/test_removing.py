"""Only rows that the archive has leave the database, and no one else removes rows."""

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Q

from audit.archive import archiving, removing
from audit.log.events import Event
from audit.models import AuditAlarm, AuditBundle, AuditLog, AuditRemoval, AuditSegment
from audit.sequencing.alarms import AlarmKind
from audit.verification.fsck import verify_log
from kernel.clock import database_now
from kernel.errors import Conflict
from tests.audit.archive.archived import ENTRIES, all_rows, archive
from tests.log_entries import insert_events
from tests.tampering.writing import SYSTEM, sequence, sign

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

OPERATION = Event(action="crypto.message.encrypted", object_type="key", object_id="0")


@pytest.mark.parametrize(("column", "of"), [("writer", "wseq"), ("user_id", "id"), ("actor_id", "id")])
def test_the_newest_row_of_each_writer_and_actor_stays(log, column, of):
    columns = AuditLog.objects.exclude(**{column: None}).order_by(of).values_list(column, of)
    newest = dict(columns)

    archive()

    assert newest
    assert newest.items() <= dict(columns.all()).items()


def test_an_interrupted_removal_is_finished_by_the_next_run(log, monkeypatch):
    monkeypatch.setattr(removing, "_STEP", 5)
    monkeypatch.setattr(removing, "_STEP_ON_SQLITE", 5)
    before, calls = len(all_rows()), iter([False] * 5)

    archive(is_stopping=lambda: next(calls, True))

    [segment] = AuditSegment.objects.all()
    assert segment.removed_at is None
    assert before - 25 <= len(all_rows()) < before
    assert verify_log().findings == []

    archive()

    assert not AuditSegment.objects.filter(removed_at=None).exists()
    assert verify_log().findings == []


def test_no_one_else_deletes_entries(log):
    archive()
    log.operate(3)
    sequence()
    operation = Q(action__startswith="crypto.", outcome="ok")
    in_segment = AuditLog.objects.filter(id__lte=AuditSegment.objects.get(number=0).last_id)
    unmarked = in_segment.filter(operation).first() or in_segment.first()
    for row, is_marked in (
        (AuditLog.objects.filter(operation).last(), True),  # not archived
        (in_segment.exclude(operation).first(), True),  # of a kind that stays
        (unmarked, False),
    ):
        with pytest.raises(IntegrityError, match="append-only"):
            delete(row, is_marked=is_marked)


def delete(row, *, is_marked):
    with transaction.atomic():
        if is_marked:
            AuditRemoval.objects.create(segment=0)
        AuditLog.objects.filter(id=row.id).delete()


def test_a_bundle_whose_rows_were_all_removed_cannot_be_inserted_again(log):
    writer = insert_events([(OPERATION, SYSTEM)] * 10, at=database_now())
    bundle = AuditBundle.objects.filter(writer=writer).values().get()
    insert_events([(OPERATION, SYSTEM)] * 3 * ENTRIES, at=database_now(), writer=writer, first=11)
    sequence()
    sign()
    archive()
    sequence()
    assert not AuditLog.objects.filter(writer=writer, wseq__lte=10).exists()
    AuditBundle.objects.create(**bundle)

    sequence()

    assert AuditBundle.objects.get(id=bundle["id"]).rejected_at
    assert AuditAlarm.objects.filter(kind=AlarmKind.BUNDLE_REJECTED).exists()


def test_a_file_of_the_largest_size_is_archived_and_no_larger_one(log, monkeypatch):
    size = archive(most=1)[0].size
    monkeypatch.setattr(archiving, "MOST_FILE_BYTES", 10)

    with pytest.raises(Conflict, match="too large"):
        archive()

    monkeypatch.setattr(archiving, "MOST_FILE_BYTES", 2 * size)
    assert archive()
