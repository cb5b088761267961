"""The pages of log targets."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.forms.log_targets import STYLES
from audit.forwarding.events.formats import LABELS as FORMATS
from audit.models import LogTarget
from audit.services import log_targets
from tests.browsing import signed_in, text
from tests.endpoints import make_log_target
from tests.log_entries import log_rows

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

SECRET = "Splunk 5eCr3T"
FIELDS = {
    "name": "SIEM",
    "url": "https://siem.example.org/T0KEN",
    "format": "ocsf",
    "style": "splunk",
    "credential": SECRET,
    "ca": "",
    "actions": "accounts., keys.",
    "outcomes": ["denied", "error"],
    "start": "whole",
}


def shown(form, **changes):
    """The fields of an edit form as its page sends them."""
    fields = {name: field.prepare_value(form[name].initial) for name, field in form.fields.items()}
    sent = {f"initial-{name}": value for name, value in fields.items()} | fields | changes
    return {name: value for name, value in sent.items() if value not in (None, False)}


def test_a_target_is_created_and_its_page_shows_state_and_lag(admin):
    browser = signed_in(admin)
    log_rows()
    done = browser.post(reverse("log-target-new"), FIELDS)
    target = LogTarget.objects.get()
    assert (done.status_code, done["Location"]) == (303, reverse("log-target", args=[target.id]))
    assert (target.actions, target.outcomes, target.size) == (["accounts.", "keys."], ["denied", "error"], 0)
    total = log_rows().count()
    page = text(browser.get(done["Location"]))
    assert f"0 of {total} entries" in page
    assert f"{total} entries, the oldest of" in page
    assert "https://siem.example.org/T0KEN" in page
    assert SECRET not in page
    assert "The receiver cannot verify the log" in page
    for shown_value in (FORMATS["ocsf"], STYLES["splunk"], "keys.", "Denied", "Failed", "Stored"):
        assert f">{shown_value}<" in page, shown_value
    listed = text(browser.get(reverse("log-targets")))
    for shown_value in ("SIEM", "https://siem.example.org", "Enabled", f"{total} entries"):
        assert shown_value in listed, shown_value
    assert reverse("log-target-new") in listed


def test_a_target_without_https_has_no_style_and_can_be_verified(admin, settings):
    settings.CC_LOG_TARGET_FOLDER = "/srv/log"
    browser = signed_in(admin)
    given = {"url": "file:///srv/log/audit.jsonl", "format": "json", "style": "lines"}
    browser.post(reverse("log-target-new"), {"name": "file", "start": "new"} | given)
    target = LogTarget.objects.get()
    page = text(browser.get(reverse("log-target", args=[target.id])))
    assert STYLES["lines"] not in page
    assert "each batch ends with a signed checkpoint" in page
    assert "Remove the stored credential" not in text(
        browser.get(reverse("log-target-edit", args=[target.id]))
    )


def test_a_refused_form_keeps_the_input_but_no_credential(admin):
    refused = signed_in(admin).post(reverse("log-target-new"), FIELDS | {"url": "tcp://10.0.0.1:514"})
    assert refused.status_code == 422
    page = text(refused)
    assert "CC_WEBHOOK_ALLOWED_NETWORKS" in page
    assert "accounts., keys." in page
    assert SECRET not in page
    assert not LogTarget.objects.exists()


def test_only_new_entries_are_delivered_if_the_user_chooses_so(admin):
    log_rows()
    signed_in(admin).post(reverse("log-target-new"), FIELDS | {"start": "new"})
    assert LogTarget.objects.get().size > 0


def test_an_edit_keeps_or_forgets_the_credential(admin):
    browser = signed_in(admin)
    browser.post(reverse("log-target-new"), FIELDS)
    path = reverse("log-target-edit", args=[LogTarget.objects.get().id])
    assert "Leave empty to keep the stored credential" in text(browser.get(path))
    form = browser.get(path).context["form"]
    assert browser.post(path, shown(form, name="renamed", actions="")).status_code == 303
    target = LogTarget.objects.get()
    assert (target.name, target.actions, target.has_credential) == ("renamed", [], True)
    form = browser.get(path).context["form"]
    moved = browser.post(path, shown(form, url="https://other.example.org/"))
    assert (moved.status_code, "Enter the credential again" in text(moved)) == (422, True)
    assert browser.post(path, shown(form, forgets_credential="on")).status_code == 303
    assert not LogTarget.objects.get().has_credential


def test_an_edit_does_not_overwrite_a_change_that_was_not_seen(admin):
    target, browser = make_log_target(), signed_in(admin)
    path = reverse("log-target-edit", args=[target.id])
    sent = shown(browser.get(path).context["form"], format="cef")
    log_targets.update_log_target(principal=admin.principal, target_id=target.id, changes={"format": "ecs"})
    refused = browser.post(path, sent)
    assert refused.status_code == 422
    assert LogTarget.objects.get().format == "ecs"


@pytest.mark.parametrize(
    ("sent", "status", "size"),
    [
        ({"position": "whole"}, 303, 0),
        ({"position": "after", "size": "2"}, 303, 2),
        ({"position": "after"}, 422, 1),
        ({"position": "after", "size": "999999"}, 422, 1),
        ({"position": "after", "size": "two"}, 422, 1),
        ({}, 422, 1),
    ],
)
def test_a_stopped_target_continues_where_the_user_says(admin, sent, status, size):
    make_log_target()
    log_rows()
    target = make_log_target(size=1)
    target.stopped_reason = "The receiver has other entries."
    target.save_with_mac()
    browser, path = signed_in(admin), reverse("log-target-position", args=[target.id])
    assert path in text(browser.get(reverse("log-target", args=[target.id])))
    assert "The receiver has other entries." in text(browser.get(path))
    assert browser.post(path, sent).status_code == status
    target.refresh_from_db()
    assert (target.size, bool(target.stopped_reason)) == (size, status != 303)


def test_the_state_refreshes_faster_until_the_worker_has_sent_the_test(admin):
    target, browser = make_log_target(), signed_in(admin)
    page = reverse("log-target", args=[target.id])
    assert browser.post(reverse("log-target-test", args=[target.id]))["Location"] == page
    assert re.search(r'hx-trigger="every 2s"[^>]*data-auto-refresh', text(browser.get(page)))
    LogTarget.objects.update(
        test_requested_at=None, tested_at=target.created_at, test_error="The host name was not found."
    )
    part = browser.get(page, headers={"HX-Request": "true", "HX-Target": "target-state"})
    assert "every 15s" in text(part)
    assert "The host name was not found." in text(part)
    assert "<h1>" not in text(part)


def test_a_target_is_disabled_enabled_and_deleted(admin):
    target, browser = make_log_target(), signed_in(admin)
    for slug, is_enabled in (("disable", False), ("enable", True)):
        path = reverse(f"log-target-{slug}", args=[target.id])
        assert path in text(browser.get(reverse("log-target", args=[target.id])))
        assert browser.post(path).status_code == 303
        assert browser.post(path).status_code == 422
        assert LogTarget.objects.get().is_enabled == is_enabled
    path = reverse("log-target-delete", args=[target.id])
    assert f"Delete the log target {target.name}?" in text(browser.get(path))
    assert browser.post(path)["Location"] == reverse("log-targets")
    assert not LogTarget.objects.exists()


def test_an_auditor_sees_targets_without_the_path_of_the_url_and_without_controls(auditor):
    target, browser = make_log_target(), signed_in(auditor)
    assert reverse("log-targets") in text(browser.get(reverse("audit")))
    assert reverse("log-target-new") not in text(browser.get(reverse("log-targets")))
    page = text(browser.get(reverse("log-target", args=[target.id])))
    assert "https://siem.example.org" in page
    assert "T0KEN" not in page
    assert "Send test" not in page
    assert reverse("log-target-position", args=[target.id]) not in page


def test_the_pages_cost_the_same_statements_however_many_targets_there_are(admin):
    target, browser = make_log_target(size=0), signed_in(admin)
    pages = (reverse("log-targets"), reverse("log-target", args=[target.id]))

    def costs():
        found = []
        for page in pages:
            browser.get(page)
            with CaptureQueriesContext(connection) as statements:
                browser.get(page)
            found.append(len(statements))
        return found

    few = costs()
    for _ in range(5):
        make_log_target(size=0)
    assert costs() == few
    assert max(few) <= 12
