"""Bounds of what the log reads and shows: notes of others, manifests, searches, pages."""

import re

import pytest

from audit.browse.selection import LogCriteria
from audit.exports import task
from audit.log import object_names
from audit.sequencing.running import checkpoint_now
from audit.tlog import checkpoint
from audit.tlog.checkpoint import Checkpoint, CheckpointInvalid
from audit.verification import integrity
from audit.verification.inspection import Inspection, faults_of
from audit.verification.integrity import FoundEntry
from audit.views import events
from audit.views.events import Following
from backups import manifest
from kernel.errors import Invalid
from tests.audit.pages import ids, part, record_event
from tests.browsing import signed_in
from tests.factories import KeyFactory

LINE = "— log.example/x AAAAAAA=\n"


@pytest.mark.parametrize(("size", "fault"), [(256 * 1024, "signature"), (256 * 1024 + 1, "characters")])
def test_a_note_has_256_kibibytes_at_most(size, fault):
    with pytest.raises(CheckpointInvalid, match=fault):
        checkpoint.split_note("a\n\n— name x\n".rjust(size))


def test_a_note_has_32_signatures_at_most():
    assert len(checkpoint.split_note("text\n\n" + LINE * 32)[1]) == 32
    with pytest.raises(CheckpointInvalid, match="at most 32"):
        checkpoint.split_note("text\n\n" + LINE * 33)


def test_names_and_sizes_of_checkpoints_fit_the_signed_message():
    for name, is_name in (("", False), ("a", True), ("a" * 255, True), ("a" * 256, False), ("a\nb", False)):
        assert checkpoint._is_key_name(name) is is_name
        if is_name:
            Checkpoint(name, 2**63 - 1, bytes(32))
        else:
            with pytest.raises(CheckpointInvalid):
                Checkpoint(name, 2**63 - 1, bytes(32))
    assert checkpoint.decode_decimal(str(2**63 - 1)) == 2**63 - 1
    with pytest.raises(ValueError, match="decimal"):
        checkpoint.decode_decimal(str(2**63))


def test_a_manifest_is_read_up_to_16_mebibytes(tmp_path):
    path, size = tmp_path / "manifest.json", 16 * 1024 * 1024
    for excess in (0, 1):
        with path.open("wb") as file:
            file.truncate(size + excess)
        if excess:
            with pytest.raises(Invalid, match="too large"):
                manifest._read(path)
        else:
            assert len(manifest._read(path)) == size


def test_a_search_has_8_different_words_at_most():
    words = [f"word{number}" for number in range(9)]
    assert len(LogCriteria(search=" ".join([*words[:8], *words[:8]])).words) == 8
    with pytest.raises(Invalid):
        LogCriteria(search=" ".join(words))


def test_a_process_remembers_the_checks_of_50_000_names_at_most():
    known = object_names._checked_rows.current
    known.update(range(50_000))
    object_names._checked([], {})
    assert len(known) == 50_000
    known.add("one more")
    object_names._checked([], {})
    assert not known


def test_an_export_raises_1000_alarms_at_most_and_counts_all():
    inspection = Inspection(leaf=None, is_authentic=False)
    rows = [integrity._StoredRow((number, None, None), None) for number in range(1001)]
    entries = [
        FoundEntry(row.values, None, inspection, tuple(faults_of(inspection, None)), row) for row in rows
    ]
    altered = task._Altered()
    altered.add(entries[:999])
    altered.add(entries[999:])
    assert (altered.count, len(altered.alarms)) == (1001, 1000)


def test_live_updates_add_500_rows_to_a_page_at_most():
    assert Following(above=0, shown=499).goes_on
    assert not Following(above=0, shown=500).goes_on


def test_a_live_update_looks_through_the_newest_entries_only(auditor, monkeypatch):
    monkeypatch.setattr(events, "_MOST_AT_ONCE", 2)
    browser = signed_in(auditor)
    recorded = [record_event(auditor.principal.actor).id for _ in range(3)]
    checkpoint_now()
    response = part(browser, "/audit/?action=test.thing.done&live=1&above=0", "log-live")
    assert ids(response) == [recorded[2], recorded[1]]


def test_a_bounded_number_of_names_of_keys_is_suggested(admin, monkeypatch):
    monkeypatch.setattr(events, "_MOST_NAMES", 2)
    for name in ("key-c", "key-a", "key-b", "other"):
        KeyFactory(name=name)
    response = part(signed_in(admin), "/audit/?object=key-", "known-keys")
    assert re.findall('<option value="([^"]*)"', response.content.decode()) == ["key-a", "key-b"]


def test_a_list_of_alarms_has_1000_pages_at_most(admin):
    browser = signed_in(admin)
    for page in (1000, 1001):
        assert browser.get(f"/audit/alarms/?page={page}").context["before"] == 999
