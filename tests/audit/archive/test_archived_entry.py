"""An entry that only the archive has is gone, for callers who may read the whole log."""

import json
from urllib.parse import urlencode

import pytest

from audit.models import AuditLog, AuditSegment
from tests.audit.archive.archived import ENTRIES, archive
from tests.audit.exports.exporting import exported
from tests.audit.pages import links, text_of
from tests.browsing import signed_in
from tests.tampering.altering import execute, without_triggers

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

LOGS = "/api/v1/audit/logs"


@pytest.fixture
def archived_id(log):
    """An entry that only the archive has."""
    before = set(AuditLog.objects.values_list("id", flat=True))
    archive()
    return min(before - set(AuditLog.objects.values_list("id", flat=True)))


def test_an_archived_entry_is_gone_and_the_problem_names_an_export_with_it(archived_id, auditor):
    for path in (f"{LOGS}/{archived_id}", f"{LOGS}/{archived_id}/proof"):
        gone = auditor.api.get(path)
        assert (gone.status, gone.code, gone.json["segment"]) == (410, "entry_archived", 0)
    period = {name: gone.json[name] for name in ("from", "to")}

    content, _ = exported(auditor, **period)

    ids = [json.loads(line)["id"] for line in content.splitlines()]
    assert {archived_id, *range(1, ENTRIES + 1)} <= set(ids)
    browser = signed_in(auditor)
    page = browser.get(f"/audit/{archived_id}/")
    assert page.status_code == browser.get(f"/audit/{archived_id}/proof").status_code == 410
    export = f"/audit/exports/new?{urlencode(period)}"
    assert export in links(page)
    assert "From" in text_of(browser.get(export))


def test_a_reader_of_their_own_entries_cannot_see_which_are_archived(archived_id, developer):
    gone = developer.api.get(f"{LOGS}/{archived_id}", X_Request_ID="same")
    missing = developer.api.get(f"{LOGS}/{archived_id + 100_000}", X_Request_ID="same")

    assert gone.status == 404
    assert gone.raw.content == missing.raw.content
    assert signed_in(developer).get(f"/audit/{archived_id}/").status_code == 404


def test_only_an_entry_that_was_moved_is_in_the_archive(archived_id, auditor):
    kept = AuditLog.objects.filter(id__lte=ENTRIES).latest("id").id
    last = AuditSegment.objects.first().last_id
    assert auditor.api.get(f"{LOGS}/{kept}").status == 200
    with without_triggers():
        execute("DELETE FROM audit_logs WHERE id IN (%s, %s)", [kept, last + 1])

    for log_id in (kept, last + 1, 10_000):
        assert auditor.api.get(f"{LOGS}/{log_id}").status == 404

    execute("UPDATE audit_segments SET size = size + 1 WHERE number = 0")
    assert auditor.api.get(f"{LOGS}/{archived_id}").code == "integrity_failed"
