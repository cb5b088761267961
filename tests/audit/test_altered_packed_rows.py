"""Packed rows that someone altered, or that someone inserted within others."""

import pytest
from django.db import connection

from audit.browse.selection import LogCriteria
from audit.forwarding.reading import entries_after
from audit.models import AuditAlarm, AuditLog, Integrity
from audit.services.searching import search_logs
from audit.services.showing import show_entry, show_newest
from audit.verification.findings import FindingKind
from audit.verification.fsck import verify_log
from tests.tampering.alterations import PACKED, alterations, rolled_back
from tests.tampering.altering import execute, without_triggers

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

CUT = {
    "postgresql": "substr(hashes, 1, %s) || '\\x00'::bytea || substr(hashes, %s)",
    "sqlite": "CAST(substr(hashes, 1, %s) || x'00' || substr(hashes, %s) AS BLOB)",
}


def test_an_altered_row_is_shown_as_altered_raises_one_alarm_and_is_found(packed_log, auditor):
    row = AuditLog.objects.filter(entries__gt=3).last()
    for column in ("id", "wseq", "event_id", "request_id", "size", "actor_name", *sorted(PACKED), "mac"):
        for alteration in alterations(AuditLog, column)[: None if column in PACKED else 1]:
            with alteration.made(row.id) as log_id:
                assert verify_log().is_altered, alteration
                with rolled_back():
                    entries, _ = show_newest(AuditLog.objects.filter(id=log_id), 300)
                    assert {entry.integrity for entry in entries} == {Integrity.ALTERED}, alteration
                    assert AuditAlarm.objects.count() == 1, alteration
                    with search_logs(
                        reader=auditor.principal, criteria=LogCriteria(), before=row.id + 2
                    ) as found:
                        assert found.page(3).has_previous, alteration


def test_a_row_within_another_takes_no_entrys_place(packed_log, auditor):
    row = AuditLog.objects.filter(entries__gt=3).last()
    forged = AuditLog.objects.filter(id__lt=row.id, entries=None).last()
    forged.id, forged.wseq = row.id + 2, 10**6
    with without_triggers():
        forged.save(force_insert=True)
    assert show_entry(reader=auditor.principal, log_id=row.id + 2).integrity == Integrity.VERIFIED
    [(_, delivered)] = entries_after(row.id + 1, 1)
    assert not delivered.faults
    assert FindingKind.LEAF_SURPLUS in verify_log().counts


def test_one_altered_leaf_is_one_altered_entry(packed_log):
    row = AuditLog.objects.filter(entries__gt=3).last()
    third = 32 * (row.id + 1)
    with without_triggers():
        cut = CUT[connection.vendor]
        execute(f"UPDATE audit_tiles SET hashes = {cut} WHERE level = 0", [third, third + 2])  # noqa: S608 - constants
    entries, _ = show_newest(AuditLog.objects.filter(id=row.id), 300)
    assert [entry.id for entry in entries if entry.integrity == Integrity.ALTERED] == [row.id + 2]
    assert verify_log().first_bad.first == row.id + 1


@pytest.mark.parametrize("change", [1, -1])
def test_numbers_that_a_row_lacks_or_repeats_are_found(packed_log, change):
    row = AuditLog.objects.filter(entries__gt=3).last()
    with without_triggers():
        execute("UPDATE audit_logs SET entries = entries + %s WHERE id = %s", [change, row.id])
    assert FindingKind.SEQUENCE_GAP in verify_log().counts
