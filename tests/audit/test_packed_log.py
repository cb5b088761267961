"""Every reader finds the same entries, whether they share rows or not."""

from contextlib import closing

import pytest
from django.db.models import Value

from audit.browse import selection
from audit.browse.selection import LogCriteria
from audit.exports.formats import ROW_FORMATS
from audit.exports.tiles import export_log
from audit.forwarding.reading import entries_after
from audit.log.raw_rows import reading
from audit.models import AuditLog, AuditTree, Integrity, UsageRollup
from audit.sequencing.bundles import expanding
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.eras import Eras
from audit.sequencing.timestamps import written_after
from audit.services import following, searching
from audit.services.reading import find_logs
from audit.services.searching import search_logs
from audit.services.showing import show_entry, show_newest
from audit.verification.fsck import verify_log
from audit.verification.integrity import stream_entries
from kernel.errors import NotFound
from tests.audit.exports.test_export import files_of
from tests.audit.packed import WORD, sequence
from tests.tampering.alterations import rolled_back
from tests.tampering.altering import Copy, without_triggers

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def pages_of(reader, criteria, limit):
    """The ids and the count of each page, from the newest to the oldest, and whether a search read it."""
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
            found.append((shown, page.count, selected.is_part))
        before = page.next_before or selected.stopped_at
        if before is None:
            return found


def all_pages(reader, criteria, *, counts=True):
    """The ids in order, for all criteria and sizes of pages. A search counts what it reads; other pages count all."""
    found = {}
    for each in criteria:
        for limit in (3, 200):
            pages = pages_of(reader, each, limit)
            ids = [log_id for shown, *_ in pages for log_id in shown]
            for place, (_, count, is_part) in enumerate(pages):
                assert not counts or count == len(ids) - (place * limit if is_part else 0), each
            found[str(each), limit] = ids
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
    bundled_log, auditor, monkeypatch, tmp_path
):
    _, criteria = bundled_log
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
    assert [len(expected[str(each), 3]) for each in criteria[8:12]] == [1, 0, 1, 0]
    assert len(expected[str(LogCriteria(search=WORD)), 3]) > 10


def test_the_parts_of_a_search_have_each_entry_once(packed_log, auditor, monkeypatch):
    _, criteria = packed_log
    monkeypatch.setattr(searching, "SEARCH_COST", 1)
    whole = all_pages(auditor.principal, criteria)
    monkeypatch.setattr(searching, "SEARCH_DEPTH", 20)
    assert all_pages(auditor.principal, criteria, counts=False) == whole


def test_the_way_back_leads_through_the_same_pages(packed_log, auditor):
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


def test_the_count_of_a_search_stops_at_its_bound(packed_log, auditor, monkeypatch):
    def counted(bound):
        monkeypatch.setattr(searching, "EXACT_COUNT", bound)
        monkeypatch.setattr(selection, "EXACT_COUNT", bound)
        with search_logs(reader=auditor.principal, criteria=LogCriteria(search=WORD)) as found:
            page = found.page(1)
        return page.count, page.count_is_exact

    whole, _ = counted(1000)
    assert [counted(whole - 1), counted(whole)] == [(whole - 1, False), (whole, True)]
    assert counted(3) == (3, False)


def test_each_entry_is_shown_by_its_id(packed_log, auditor):
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


def test_the_newest_entries_can_be_a_part_of_a_row(packed_log):
    entries, before = show_newest(AuditLog.objects.all(), 3)
    assert [entry.id for entry in entries] == [before + 2, before + 1, before]


def test_a_batch_for_a_log_target_begins_and_ends_within_a_row(packed_log):
    size = Eras.read().size
    batches = [entries_after(first, 5) for first in range(0, size, 5)]
    assert [index for batch in batches for index, _ in batch] == [*range(size)]
    assert all(entry.log_id == index + 1 for batch in batches for index, entry in batch)
    row = AuditLog.objects.filter(entries__gt=3).last()
    third = AuditTree.objects.annotate(time=written_after(Value(row.id + 1)))
    assert third.get().time == row.timestamp
    with without_triggers():
        AuditLog.objects.filter(id=row.id).delete()
    assert third.get().time == AuditLog.objects.filter(id__gt=row.id).earliest("id").timestamp


def test_entries_that_arrive_are_followed_by_the_size_of_the_tree(packed_log, auditor):
    log, _ = packed_log
    before = Eras.read()
    log.operate(9, alike=9)
    sequence_step()
    eras = Eras.read()
    with search_logs(reader=auditor.principal, criteria=LogCriteria()) as found:
        rows = following.arrived_since(found.rows, before.size, eras)
        entries, _ = found.show(rows.order_by("-id"), 50)
    assert [entry.id for entry in entries] == [*range(eras.last_id, before.last_id, -1)]
