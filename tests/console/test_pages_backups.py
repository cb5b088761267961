"""The page of backups shows what the log records, and the commands that make them."""

import pytest

from audit import actions
from audit.log.events import Event
from audit.sequencing.catching_up import catch_up
from kernel.trust.models import KeyEncryptionKey
from tests.audit.pages import links, text_of
from tests.browsing import signed_in
from tests.console.conftest import SYSTEM
from tests.log_entries import log_rows, record_alone
from tests.tampering.altering import execute, without_triggers

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/system/backups/"


def back_up(number):
    meta = {"manifest_sha256": f"{number:02}" * 32, "rows": 7, "bytes": 2048, "snapshot_at": "2026-12-01"}
    record_alone(Event(action=actions.BACKUP_CREATED, object_type="backup", meta=meta), SYSTEM)


def test_a_new_installation_has_no_backup_and_gets_the_commands(at_admin):
    page = at_admin.get(PAGE)
    shown = text_of(page)
    assert "No backups yet." in shown
    assert "None yet. A drill restores" in shown
    assert all(check.state == "warning" for check in page.context["backups"].checks)
    for command in (
        "backup /srv/backups/ciphercanary-$(date -u +%Y-%m-%d)",
        "restore_drill",
        "backup_kek",
        "check_kek_backup",
    ):
        assert f"bin/manage {command}" in shown


@pytest.mark.usefixtures("backed_up")
def test_the_page_shows_the_last_drill_and_the_checked_copy(auditor):
    meta = {"messages": 100, "seconds": 12}
    record_alone(Event(action=actions.BACKUP_DRILLED, object_type="backup", meta=meta), SYSTEM)
    browser = signed_in(auditor)
    assert PAGE in links(browser.get("/system/"))

    page = browser.get(PAGE)

    assert {check.state for check in page.context["backups"].checks} == {"ok"}
    assert "100 messages decrypted, 12 seconds." in text_of(page)
    assert f"{KeyEncryptionKey.objects.get().pk} Primary" in text_of(page)
    assert "Good, checked" in text_of(page)


def test_backups_are_listed_newest_first_and_turn_to_older_ones(at_admin, monkeypatch):
    monkeypatch.setattr("console.system.backups.LIMIT", 2)
    for number in range(3):
        back_up(number)

    first = at_admin.get(PAGE)
    [older] = [url for url in links(first) if "?before=" in url]
    second = at_admin.get(older)

    assert [each.facts["manifest_sha256"][:2] for each in first.context["backups"].found] == ["02", "01"]
    assert "7 2.0 KiB " + "02" * 32 in text_of(first).replace("\xa0", " ")
    assert [each.facts["manifest_sha256"][:2] for each in second.context["backups"].found] == ["00"]


def test_an_altered_entry_is_shown_as_altered_and_without_its_facts(at_admin):
    back_up(1)
    catch_up()
    row = log_rows().get(action=actions.BACKUP_CREATED)
    with without_triggers():
        execute("UPDATE audit_logs SET meta = %s WHERE id = %s", ["{}", row.pk])

    shown = text_of(at_admin.get(PAGE))

    assert "Altered entry" in shown
    assert "2.0 KiB" not in shown.replace("\xa0", " ")
