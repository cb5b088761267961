"""The page of one entry: its columns, the changed rows, and its proof."""

import os
import subprocess
from html import escape

import pytest

from audit.log.events import Event, Outcome, RowChange
from audit.models import AuditAlarm
from audit.sequencing.running import checkpoint_now
from audit.services.proofs import list_vkeys
from tests.audit.ccverify import run
from tests.audit.pages import links, record_event, spelled, text_of
from tests.audit.sequencing.log import altered
from tests.audit.service_accounts import BILLING, account
from tests.browsing import signed_in
from tests.log_entries import log_rows, record

pytestmark = pytest.mark.django_db

MARKUP = '<img src=x onerror="alert(1)"><script>alert(2)</script><b hx-get="/logout/">'


@pytest.fixture
def entry(developer):
    changed = RowChange.updated(
        "encryption_keys",
        "a-key",
        {"description": MARKUP, "tags": []},
        {"description": "calm", "tags": ["pci"]},
    )
    event = Event(
        action="keys.key.updated",
        object_type="key",
        object_id=MARKUP[:100],
        code=MARKUP[:64],
        meta={"reason": MARKUP},
        size=64,
    )
    return record(event, developer.principal.actor, changes=[changed])


def test_an_entry_shows_its_columns_and_what_was_changed(auditor, entry):
    text = text_of(signed_in(auditor).get(f"/audit/{entry.id}/"))
    for value in (entry.action, entry.request_id, entry.client_ip, entry.user_agent, entry.mac, "64 bytes"):
        assert str(value) in text
    assert "Update key — allowed" in text
    assert "Changed row: update in encryption_keys" in text
    assert "calm" in text
    assert "Before After" in text


def test_an_entry_shows_the_id_of_a_service_account(auditor):
    text = text_of(signed_in(auditor).get(f"/audit/{record_event(account()).id}/"))
    assert "Actor billing (service account)" in text
    assert f"Service account ID {BILLING}" in text
    assert "User ID" not in text


def test_an_entry_shows_words_where_the_list_does(auditor, developer):
    refused = {"outcome": Outcome.DENIED, "code": "key_not_active"}
    entry = record_event(developer.principal.actor, **refused)
    text = text_of(signed_in(auditor).get(f"/audit/{entry.id}/"))
    assert "Denied key not active" in text
    assert f"Source {entry.source_label}" in text


def test_markup_in_any_column_is_text(auditor, entry):
    browser = signed_in(auditor)
    for path in (
        "/audit/",
        f"/audit/{entry.id}/",
        f"/audit/?search={MARKUP}",
        f"/audit/?action={MARKUP[:60]}",
    ):
        content = browser.get(path).content.decode()
        assert "<img" not in content
        assert "<script>alert" not in content
        assert "<b hx-get" not in content


def test_invisible_characters_are_shown_as_their_codes(auditor, developer):
    hidden = "invoice\u202efdp.exe"
    changed = RowChange.updated("encryption_keys", "a-key", {"description": hidden}, {"description": "calm"})
    event = Event(action="keys.key.updated", object_type="key", object_id=hidden, meta={"reason": hidden})
    entry, browser = record(event, developer.principal.actor, changes=[changed]), signed_in(auditor)
    page = browser.get(f"/audit/{entry.id}/").content.decode()
    assert page.count("invoice[U+202E]fdp.exe") == 3  # the object, the change and the reason
    assert "\u202e" not in page + browser.get("/audit/").content.decode()


def test_a_page_of_another_users_entry_is_the_same_as_of_a_missing_entry(stranger, entry):
    browser = signed_in(stranger)
    for path in ("/audit/{}/", "/audit/{}/proof"):
        assert browser.get(path.format(entry.id)).status_code == 404
        assert browser.get(path.format(2**53 - 1)).status_code == 404


def test_before_it_is_signed_there_is_no_proof(auditor, entry):
    browser = signed_in(auditor)
    assert "The next checkpoint signs it" in text_of(browser.get(f"/audit/{entry.id}/"))
    assert browser.get(f"/audit/{entry.id}/proof").status_code == 409


def test_the_proof_verifies_by_the_command_that_the_page_shows(auditor, entry, tmp_path, monkeypatch):
    checkpoint_now()
    browser = signed_in(auditor)
    page = text_of(browser.get(f"/audit/{entry.id}/"))
    command = f"ccverify verify-proof {entry.id}.tlog-proof --key pinned-keys"
    assert command in page
    response = browser.get(f"/audit/{entry.id}/proof")
    assert response["Content-Disposition"] == f'attachment; filename="{entry.id}.tlog-proof"'
    (tmp_path / f"{entry.id}.tlog-proof").write_bytes(response.content)
    (tmp_path / "pinned-keys").write_text("".join(f"{vkey}\n" for vkey in list_vkeys()))
    monkeypatch.chdir(tmp_path)
    verified = run(*command.split()[1:])
    assert verified.returncode == 0, verified.stderr
    assert "keys.key.updated" in verified.stdout


def test_the_first_pin_is_never_overwritten(auditor, entry, tmp_path):
    """The command of the page, with a curl that prints what the server publishes, or fails."""
    checkpoint_now()
    page = signed_in(auditor).get(f"/audit/{entry.id}/")
    command = page.context["save_keys"]
    assert escape(command) in page.content.decode()
    curl = tmp_path / "curl"
    curl.write_text('#!/bin/sh\n[ -n "$KEYS" ] || exit 22\nprintf "%s\\n" "$KEYS"\n')
    curl.chmod(0o755)

    def save(keys):
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "KEYS": keys}
        return subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, check=False).returncode

    pinned = tmp_path / "pinned-keys"
    assert save("") == 22
    assert not pinned.exists()
    assert save("log+1+first\nlog+2+second") == 0
    assert pinned.read_text() == "log+1+first\nlog+2+second\n"
    assert save("log+3+another") != 0
    assert pinned.read_text() == "log+1+first\nlog+2+second\n"


def test_in_the_dialog_the_entry_comes_without_the_shell(auditor, developer):
    entry = record_event(developer.principal.actor)
    content = signed_in(auditor).get(
        f"/audit/{entry.id}/", headers={"HX-Request": "true", "HX-Target": "dialog-body"}
    )
    assert "<html" not in content.content.decode()
    assert f"Entry {spelled(entry.id)}" in text_of(content)


def test_details_that_are_not_json_are_shown_unchanged(auditor, developer):
    from audit.views.logs import pretty  # noqa: PLC0415 - models need a set-up Django

    assert pretty("{not json") == "{not json"
    assert pretty('{"a":1}') == '{\n  "a": 1\n}'


def test_an_altered_entry_is_named_as_the_reason_why_its_changed_row_is_not_confirmed(auditor, entry):
    altered("UPDATE audit_logs SET actor_name = 'another' WHERE id = %s", entry.id)
    text = text_of(signed_in(auditor).get(f"/audit/{entry.id}/"))
    assert "The entry of this changed row was altered. This row cannot be verified." in text
    assert "This changed row was altered." not in text


def test_an_alarm_about_a_changed_row_leads_to_the_entry_of_its_event(auditor, entry):
    altered("UPDATE audit_trail SET record_id = 'another'")
    browser = signed_in(auditor)
    assert "This changed row was altered." in text_of(browser.get(f"/audit/{entry.id}/"))
    alarm = AuditAlarm.objects.get()
    assert alarm.log_id == entry.id
    own = log_rows().get(event_id=alarm.event_id)
    assert {f"/audit/{entry.id}/", f"/audit/{own.id}/"} <= set(links(browser.get("/audit/alarms/")))
