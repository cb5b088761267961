"""Every reader finds the same entries, whether they share rows or not."""

import uuid
from contextlib import closing
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Value

from audit.browse.selection import LogCriteria
from audit.exports.formats import ROW_FORMATS
from audit.exports.tiles import export_log
from audit.forwarding.reading import entries_after
from audit.log.events import Event
from audit.log.raw_rows import reading
from audit.models import AuditAlarm, AuditLog, AuditTree, Integrity, UsageRollup
from audit.sequencing.bundles import expanding
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.checkpoints.signing import sign_checkpoint
from audit.sequencing.eras import Eras
from audit.sequencing.timestamps import written_after
from audit.services import following, searching
from audit.services.reading import find_logs
from audit.services.searching import search_logs
from audit.services.showing import show_entry, show_newest
from audit.verification.findings import FindingKind
from audit.verification.fsck import verify_log
from audit.verification.integrity import stream_entries
from kernel.clock import database_now
from kernel.errors import NotFound
from tests.audit.exports.test_export import files_of
from tests.audit.sequencing.log import recreate_checkpoint_keys
from tests.log_entries import insert_events
from tests.tampering.alterations import PACKED, alterations, rolled_back
from tests.tampering.altering import Copy, execute, without_triggers
from tests.tampering.writing import Log

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

WORD = "c0ffee"
CUT = {
    "postgresql": "substr(hashes, 1, %s) || '\\x00'::bytea || substr(hashes, %s)",
    "sqlite": "CAST(substr(hashes, 1, %s) || x'00' || substr(hashes, %s) AS BLOB)",
}


@pytest.fixture
def waiting(root_of_trust, settings):
    """(the log, criteria): about 80 entries in bundles, none of them sequenced, and filters that match some of them."""
    (settings.CC_HOME / "audit-head").unlink(missing_ok=True)
    recreate_checkpoint_keys()
    log, now = Log(seed=5), database_now()
    users, requests = [log.user(1), log.user(2)], []
    for number in range(7):
        events = []
        for run_length in (1, 4, 2, number + 1):
            used = Event(
                action=log.chance.choice(["crypto.message.encrypted", "crypto.message.decrypted"]),
                object_type="key",
                object_id=log.keys[number % 3],
                object_version=1,
                size=log.chance.choice([None, 5]),
                count=1 + number % 2,
            )
            user = users[log.chance.randrange(2)]
            for _ in range(run_length):
                requests.append(log.chance.choice([WORD, ""]) + log.some_uuid().hex)
                events.append((used, user.of_request(requests[-1][:32])))
        insert_events(
            events,
            at=now - timedelta(minutes=number // 2),
        )
        log.change(rows=1)
    return log, criteria_of(log, [request[:32] for request in requests], now)


@pytest.fixture
def packed(waiting):
    sequence()
    return waiting


def criteria_of(log, requests, now):
    user = log.user(1)
    return [
        LogCriteria(),
        LogCriteria(action="crypto.message.encrypted"),
        LogCriteria(action="operation"),
        LogCriteria(object_id=log.keys[1]),
        LogCriteria(object_id=log.keys[1], action="crypto.message.decrypted"),
        LogCriteria(actor=user.actor_name),
        LogCriteria(since=now - timedelta(minutes=2, seconds=30)),
        LogCriteria(until=now - timedelta(minutes=1)),
        LogCriteria(request_id=requests[3]),
        LogCriteria(request_id=requests[3][:3]),
        LogCriteria(request_id=requests[3], object_id=log.keys[0]),
        LogCriteria(request_id=str(uuid.UUID(requests[3]))),
        LogCriteria(search=WORD),
        LogCriteria(search=requests[9][:9].upper()),
        LogCriteria(search=f"{WORD} encrypted"),
        LogCriteria(search="no-such-word"),
        LogCriteria(search=WORD, object_id=log.keys[2]),
        LogCriteria(search=WORD, since=now - timedelta(minutes=2, seconds=30)),
    ]


def pages_of(reader, criteria, limit):
    """The ids, the count and the links of each page, from the newest to the oldest."""
    before, found = None, []
    while True:
        with search_logs(reader=reader, criteria=criteria, before=before) as selected:
            page = selected.page(limit)
            entries, next_before = selected.read(limit)
        shown = [entry.id for entry in page.rows]
        assert [entry.id for entry in entries] == shown
        assert all(entry.integrity == Integrity.VERIFIED for entry in page.rows)
        assert next_before == page.next_before
        assert selected.is_part or page.has_previous == (before is not None)
        if shown:
            found.append((shown, page.count, page.count_is_exact))
        before = page.next_before or selected.stopped_at
        if before is None:
            return found


def all_pages(reader, criteria):
    """For all criteria and sizes of pages, the ids in order, and the counts."""
    found = {}
    for each in criteria:
        for limit in (5, 200):
            pages = pages_of(reader, each, limit)
            ids = [log_id for shown, *_ in pages for log_id in shown]
            found[str(each), limit] = ids, {(count, is_exact) for _, count, is_exact in pages}
    return found


def lines_of(reader, criteria):
    """The lines of an export."""
    rows = find_logs(reader=reader, criteria=criteria, names={}).order_by("id")
    with reading(), closing(stream_entries(rows)) as entries:
        return [ROW_FORMATS["jsonl"].line(entry) for entry in entries]


def rollups():
    names = ("key_id", "version", "principal", "operation", "outcome", "hour", "count", "size", "last_at")
    return sorted(map(str, UsageRollup.objects.values_list(*names)))


def test_every_reader_finds_the_entries_that_rows_of_their_own_would_have(
    waiting, auditor, monkeypatch, tmp_path
):
    _, criteria = waiting
    monkeypatch.setattr(searching, "SEARCH_COST", 1)
    reader, bundles = auditor.principal, Copy("waiting")
    with monkeypatch.context() as unpacked:
        unpacked.setattr(expanding, "spelling_of", lambda _request: None)
        sequence()
    assert not AuditLog.objects.exclude(entries=None).exists()
    expected, lines, used = all_pages(reader, criteria), lines_of(reader, LogCriteria()), rollups()
    export_log(tmp_path / "singles")
    singles = files_of(tmp_path / "singles")
    report = verify_log().as_json()
    with without_triggers():
        bundles.restore()
    bundles.drop()

    sequence()

    assert AuditLog.objects.exclude(entries=None).count() > 10
    found = all_pages(reader, criteria)
    for each, old in expected.items():
        assert found[each] == old, each
    assert lines_of(reader, LogCriteria()) == lines
    assert rollups() == used
    export_log(tmp_path / "packed")
    changed = {name for name, octets in files_of(tmp_path / "packed").items() if octets != singles[name]}
    assert changed == {"checkpoint"}  # its signatures are random
    assert verify_log().as_json() == report
    assert not report["is_altered"]
    assert [len(expected[str(each), 5][0]) for each in criteria[8:12]] == [1, 0, 1, 0]
    assert len(expected[str(LogCriteria(search=WORD)), 5][0]) > 10


def test_the_parts_of_a_search_have_each_entry_once(packed, auditor, monkeypatch):
    _, criteria = packed
    monkeypatch.setattr(searching, "SEARCH_COST", 1)
    whole = all_pages(auditor.principal, criteria)
    monkeypatch.setattr(searching, "SEARCH_DEPTH", 20)
    parts = all_pages(auditor.principal, criteria)
    assert {each: ids for each, (ids, _) in parts.items()} == {each: ids for each, (ids, _) in whole.items()}


def test_the_way_back_leads_through_the_same_pages(packed, auditor):
    reader, criteria, before, positions = auditor.principal, LogCriteria(), None, [None]
    for _ in range(4):
        with search_logs(reader=reader, criteria=criteria, before=before) as found:
            before = found.page(5).next_before
        positions.append(before)
    for expected in (positions[3], positions[2], positions[1], None):
        with search_logs(reader=reader, criteria=criteria, before=before) as found:
            page = found.page(5)
        assert page.previous_before == expected
        before = page.previous_before


def test_each_entry_is_shown_by_its_id(packed, auditor):
    reader = auditor.principal
    size = Eras.read().size
    assert [show_entry(reader=reader, log_id=log_id).id for log_id in range(1, size + 1)] == [
        *range(1, size + 1)
    ]
    row = AuditLog.objects.exclude(entries=None).last()
    with rolled_back(), without_triggers():
        AuditLog.objects.filter(id=row.id).delete()
        for log_id in (row.id, row.id + row.entries - 1, size + 1, 2**63, 2**70):
            with pytest.raises(NotFound):
                show_entry(reader=reader, log_id=log_id)


def test_the_newest_entries_can_be_a_part_of_a_row(packed):
    entries, before = show_newest(AuditLog.objects.all(), 3)
    assert [entry.id for entry in entries] == [before + 2, before + 1, before]


def test_a_batch_for_a_log_target_begins_and_ends_within_a_row(packed):
    size = Eras.read().size
    batches = [entries_after(first, 5) for first in range(0, size, 5)]
    assert [index for batch in batches for index, _ in batch] == [*range(size)]
    assert all(entry.log_id == index + 1 for batch in batches for index, entry in batch)
    row = AuditLog.objects.filter(entries__gt=3).last()
    tree = AuditTree.objects.annotate(time=written_after(Value(row.id + 1))).get()
    assert tree.time == row.timestamp  # of the third entry


def test_entries_that_arrive_are_followed_by_the_size_of_the_tree(packed, auditor):
    log, _ = packed
    before = Eras.read()
    log.operate(9, alike=9)
    sequence_step()
    eras = Eras.read()
    with search_logs(reader=auditor.principal, criteria=LogCriteria()) as found:
        rows = following.arrived_since(found.rows, before.size, eras)
        entries, _ = found.show(rows.order_by("-id"), 50)
    assert [entry.id for entry in entries] == [*range(eras.last_id, before.last_id, -1)]


def test_an_altered_row_is_shown_as_altered_raises_one_alarm_and_is_found(packed, auditor):
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


def test_a_row_within_another_takes_no_entrys_place(packed, auditor):
    row = AuditLog.objects.filter(entries__gt=3).last()
    forged = AuditLog.objects.filter(id__lt=row.id, entries=None).last()
    forged.id, forged.wseq = row.id + 2, 10**6
    with without_triggers():
        forged.save(force_insert=True)
    assert show_entry(reader=auditor.principal, log_id=row.id + 2).integrity == Integrity.VERIFIED
    [(_, delivered)] = entries_after(row.id + 1, 1)
    assert not delivered.faults
    assert FindingKind.LEAF_SURPLUS in verify_log().counts


def test_one_altered_leaf_is_one_altered_entry(packed):
    row = AuditLog.objects.filter(entries__gt=3).last()
    third = 32 * (row.id + 1)
    with without_triggers():
        cut = CUT[connection.vendor]
        execute(f"UPDATE audit_tiles SET hashes = {cut} WHERE level = 0", [third, third + 2])  # noqa: S608 - constants
    entries, _ = show_newest(AuditLog.objects.filter(id=row.id), 300)
    assert [entry.id for entry in entries if entry.integrity == Integrity.ALTERED] == [row.id + 2]
    assert verify_log().first_bad.first == row.id + 1


@pytest.mark.parametrize("change", [1, -1])
def test_numbers_that_a_row_lacks_or_repeats_are_found(packed, change):
    row = AuditLog.objects.filter(entries__gt=3).last()
    with without_triggers():
        execute("UPDATE audit_logs SET entries = entries + %s WHERE id = %s", [change, row.id])
    assert FindingKind.SEQUENCE_GAP in verify_log().counts


def sequence():
    sequence_step()
    sign_checkpoint()
