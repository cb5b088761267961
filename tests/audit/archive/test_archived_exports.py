"""Exports have the same bytes, whether the archive or the database has an entry."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from audit.archive import removing
from audit.archive.segments import name_of
from audit.errors import SegmentUnreadable
from audit.exports.tiles import export_log
from audit.models import AuditExport, AuditLog, AuditSegment
from audit.sequencing.checkpoints.signing_keys import trusted_keys
from kernel.jobs.job import Status
from kernel.trust.row_mac import IntegrityFailed
from tests.audit.archive.archived import ENTRIES, archive
from tests.audit.ccverify import run
from tests.audit.exports.exporting import exported, look, order, work
from tests.audit.exports.test_export import files_of

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def filters_of(log):
    """Filters that match some of the entries, each kind of condition once."""
    rows = AuditLog.objects.filter(id__lte=3 * ENTRIES)
    used = rows.filter(action="crypto.message.encrypted", outcome="ok", user_id__isnull=False).last()
    account = rows.filter(action__startswith="crypto.", outcome="ok", actor_id__isnull=False).first()
    moment = used.timestamp
    return [
        {},
        {"action": "crypto.message.decrypted"},
        {"action": "operation"},
        {"action": "keys.key.created"},
        {"outcome": "ok"},
        {"outcome": "denied"},
        {"actor": used.actor_name},
        {"actor": str(used.user_id)},
        {"actor": str(account.actor_id)},
        {"actor_type": "service_account"},
        {"source": "command"},
        {"object": used.object_id},
        {"object": "no-such-name"},
        {"client_ip": used.client_ip},
        {"request_id": used.request_id},
        {"search": "CURL ENCRYPTED"},
        {"search": '"message.enc"'},
        {"search": "“quoted” nothing"},
        {"from": (moment - timedelta(microseconds=1)).isoformat(), "to": moment.isoformat()},
        {"from": moment.isoformat(), "to": (moment + timedelta(microseconds=1)).isoformat()},
        {"from": (moment + timedelta(microseconds=1)).isoformat()},
    ]


def exports(auditor, filters):
    """The lines of each export, up to the entries that the exports themselves add."""
    last, found = 5 * ENTRIES, []
    for each in filters:
        content, _ = exported(auditor, **each)
        found.append([line for line in content.splitlines() if json.loads(line)["id"] <= last])
        AuditExport.objects.all().delete()  # one user has 20 at most
    return found


def test_lines_are_the_same_under_every_filter(log, auditor):
    filters = filters_of(log)
    before = exports(auditor, filters)

    assert len(archive()) >= 5

    after = exports(auditor, filters)
    for each, old, new in zip(filters, before, after, strict=True):
        assert new == old, each
    assert before[1]
    assert before[-2]


def until(segments):
    """A row can contain several entries, and has the id of its first."""
    return str(AuditLog.objects.filter(id__lte=segments * ENTRIES).latest("id").timestamp)


def test_a_table_is_the_same(log, auditor):
    before, _ = exported(auditor, "csv", to=until(4))
    archive()

    after, described = exported(auditor, "csv", to=until(5))

    assert after.startswith(before)
    assert described["altered"] == 0


def test_no_entry_is_twice_in_an_export_while_rows_are_removed(log, auditor, monkeypatch):
    monkeypatch.setattr(removing, "_STEP", 5)
    monkeypatch.setattr(removing, "_STEP_ON_SQLITE", 5)
    [before] = exports(auditor, [{}])
    calls = iter([False] * 5)
    archive(is_stopping=lambda: next(calls, True))

    [after] = exports(auditor, [{}])

    assert AuditSegment.objects.filter(removed_at=None).exists()
    assert after == before


def test_tiles_are_the_same_and_ccverify_accepts_them(log, tmp_path):
    export_log(tmp_path / "before")
    archive()

    export_log(tmp_path / "after")

    assert files_of(tmp_path / "after") == files_of(tmp_path / "before")
    assert run("verify-export", tmp_path / "after", *keys()).returncode == 0


def keys():
    return [argument for key in trusted_keys() for argument in ("--key", key.vkey)]


@pytest.mark.parametrize("is_altered", [True, False])
def test_an_export_with_a_damaged_segment_fails(log, auditor, settings, tmp_path, is_altered):
    archive()
    path = Path(settings.CC_AUDIT_ARCHIVE) / name_of(1)
    path.write_bytes(path.read_bytes() + b"0") if is_altered else path.unlink()

    with pytest.raises(IntegrityFailed if is_altered else SegmentUnreadable, match=path.name):
        export_log(tmp_path / "export")
    export_id = order(auditor)
    work()
    assert look(auditor, export_id)["status"] == Status.PENDING  # it is tried again
    exported(auditor, outcome="denied")  # of the database alone
