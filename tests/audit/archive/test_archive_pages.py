"""Pages and the API list the segments of the archive, and say which periods it has."""

from datetime import UTC, datetime, timedelta

import pytest

from audit import actions
from audit.archive.contents import encode_kept
from audit.log.canonical import format_timestamp
from audit.models import AuditSegment
from tests.audit.archive.archived import ENTRIES
from tests.audit.pages import links, part, spelled, text_of
from tests.audit.test_pages_cost import PAGES, cost
from tests.browsing import signed_in
from tests.endpoints import make_segment
from tests.log_entries import log_rows
from tests.tampering.altering import execute

pytestmark = pytest.mark.django_db

SEGMENTS, LOGS, PAGE = "/api/v1/audit/segments", "/api/v1/audit/logs", "/audit/archive/"
NEWEST = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = timedelta(microseconds=1)


@pytest.fixture
def short(monkeypatch, root_of_trust):
    monkeypatch.setattr(AuditSegment, "ENTRIES", ENTRIES)


def test_the_api_lists_segments_newest_first(short, auditor):
    make_segment()
    row = make_segment(removed_at=None)

    listed = auditor.api.get(f"{SEGMENTS}?limit=1").json

    assert listed["count"] == 2
    assert listed["results"] == [
        {
            "number": 1,
            "first_id": ENTRIES + 1,
            "last_id": 2 * ENTRIES,
            "first_at": format_timestamp(row.first_at),
            "last_at": format_timestamp(row.last_at),
            "moved": ENTRIES - 3,
            "size": 1500,
            "sha256": "ab" * 32,
            "archived_at": format_timestamp(row.archived_at),
            "removed_at": None,
        }
    ]


def test_a_refused_list_is_on_record(short, developer):
    assert developer.api.get(SEGMENTS).status == 403
    assert log_rows().filter(action=actions.SEGMENT_LISTED, outcome="denied").count() == 1


def test_an_altered_segment_is_not_shown(short, auditor):
    make_segment()
    execute("UPDATE audit_segments SET size = 1501")

    refused = auditor.api.get(SEGMENTS)

    assert (refused.status, refused.code) == (503, "integrity_failed")
    assert signed_in(auditor).get(PAGE).status_code == 503


def test_without_segments_the_page_names_the_remedy(short, auditor, settings):
    settings.CC_AUDIT_ARCHIVE, settings.CC_AUDIT_ARCHIVE_DAYS = "", 0
    browser = signed_in(auditor)
    shown = text_of(browser.get(PAGE))
    assert "Not configured" in shown
    assert "set CC_AUDIT_ARCHIVE to a folder" in shown
    assert "archive_audit_log --older-than 400d" in shown

    settings.CC_AUDIT_ARCHIVE, settings.CC_AUDIT_ARCHIVE_DAYS = "/srv/archive", 30
    shown = text_of(browser.get(PAGE))
    assert "Operations move after 30 days" in shown
    assert "set CC_AUDIT_ARCHIVE" not in shown
    assert "/srv/archive" not in shown


@pytest.mark.django_db(transaction=True)  # a savepoint would count as a query
def test_the_page_shows_the_segments_and_turns_to_older_ones(short, auditor, monkeypatch):
    monkeypatch.setattr("audit.views.segments.LIMIT", 2)
    for number in range(4):
        make_segment(removed_at=None if number == 3 else NEWEST)
    browser = signed_in(auditor)
    assert PAGE in links(browser.get("/audit/"))

    first, second = browser.get(PAGE), browser.get(f"{PAGE}?page=2")

    assert f"4 segments with {spelled(4 * ENTRIES)} entries, 5.9 KiB" in text_of(first).replace("\xa0", " ")
    assert [row.number for row, _ in first.context["segments"]] == [3, 2]
    assert text_of(first).count("Removing") == 1
    assert f"1 to {ENTRIES}" in text_of(second)
    assert [url for url in links(first) if "?page=" in url] == [f"{PAGE}?page=2"]
    assert [url for url in links(second) if "?page=" in url] == [f"{PAGE}?page=1"]
    assert cost(browser, PAGE) == PAGES[PAGE]  # as without segments


def test_a_segment_has_the_entries_up_to_its_last(short, auditor):
    assert auditor.api.get(f"{LOGS}/{ENTRIES}").status == 404
    row = make_segment(kept=encode_kept([]))

    assert auditor.api.get(f"{LOGS}/{ENTRIES}").json["to"] == format_timestamp(row.last_at + LATER)
    assert auditor.api.get(f"{LOGS}/{ENTRIES + 1}").status == 404


def test_lists_show_up_to_when_operations_are_archived(short, auditor, developer):
    browser, notice = signed_in(auditor), "Successful operations up to 2026-11-01 12:00Z are in the archive."
    assert auditor.api.get(LOGS).json["archived_until"] is None
    assert "in the archive" not in text_of(browser.get("/audit/"))
    make_segment(last_at=NEWEST - LATER)
    make_segment(last_at=NEWEST)

    assert auditor.api.get(LOGS).json["archived_until"] == format_timestamp(NEWEST)
    assert auditor.api.get(f"{LOGS}?outcome=denied").json["archived_until"] is None
    for response in (
        browser.get("/audit/?source=api"),
        part(browser, "/audit/", "log-results", source="api"),
    ):
        assert notice in text_of(response)
        assert "/audit/exports/new?source=api" in links(response)
    assert "in the archive" not in text_of(browser.get("/audit/?outcome=denied"))
    own = signed_in(developer).get("/audit/")
    assert notice in text_of(own)
    assert not [url for url in links(own) if url.startswith(("/audit/exports", PAGE))]
