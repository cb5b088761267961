"""Scheduled deletion and the minimum version in a browser."""

import re
from datetime import timedelta

import pytest
from django.db import connection

from accounts.principals import Principal
from accounts.sessions.browser_sessions import CONFIRMED_AT
from audit.log import refusals
from audit.log.events import Source
from audit.sequencing.catching_up import catch_up
from kernel.clock import database_now
from keys.deletion import services as deletion
from keys.editing import services as editing
from keys.models import Key, KeyVersion
from keys.rotation.services import rotating
from keys.states import services as states
from tests.browsing import plain, signed_in, text
from tests.factories import PolicyFactory
from tests.keys.steps import end_wait, schedule_deletion
from tests.tampering.altering import execute, without_triggers

pytestmark = pytest.mark.django_db
SYSTEM = Principal.system("destroy_due_keys", Source.COMMAND)
PART = {"HX-Request": "true", "HX-Target": "deletion-effect"}


def require_refusals(caller, key, times):
    body = {"key_id": str(key.id), "algorithm": "aes-256-gcm", "data": "AA=="}
    for _ in range(times):
        assert caller.api.post("/api/v1/encrypt", body).status == 409
    refusals.flush()


@pytest.fixture
def destroyed(admin, key):
    schedule_deletion(admin, key)
    end_wait(key)
    assert [each.error for each in deletion.destroy_due_keys(principal=SYSTEM)] == [None]
    return key


def test_the_page_shows_what_is_lost_and_when(admin, key):
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    browser, path = signed_in(admin), f"/keys/{key.name}/schedule-deletion"
    ends = database_now() + timedelta(days=30)
    page = plain(browser.get(path))
    assert f"Schedule {key.name} for deletion?" in page
    assert f"on {ends:%Y-%m-%d}" in page
    assert (
        "the material of versions 1 to 2 is destroyed: data encrypted with it can never be decrypted" in page
    )
    assert "CipherCanary backups made before then still contain the key." in page
    assert "Keep key" in page
    sooner = plain(browser.get(path, {"waiting_days": "8"}, headers=PART))
    assert f"on {database_now() + timedelta(days=8):%Y-%m-%d}" in sooner


@pytest.mark.parametrize("days", ["6", "31"])
def test_a_wait_outside_the_range_is_refused_at_its_field(admin, key, days):
    sent = {"reason": "test", "name": key.name, "waiting_days": days}
    refused = signed_in(admin).post(f"/keys/{key.name}/schedule-deletion", sent)
    assert refused.status_code == 422
    assert "Waiting period (days): Must be 7 to 30 days." in text(refused)


def test_the_wait_of_the_policy_is_the_least(admin, new_key):
    policy = PolicyFactory(name="slow", minimum_deletion_days=20)
    key = new_key(policy_id=policy.id)
    browser, path = signed_in(admin), f"/keys/{key.name}/schedule-deletion"
    assert "The policy slow requires at least 20." in text(browser.get(path))
    sent = {"reason": "test", "name": key.name, "waiting_days": "10"}
    assert "The policy requires at least 20 days." in text(browser.post(path, sent))


def test_a_protected_key_shows_why_and_no_form(admin, new_key):
    key = new_key(deletion_protection=True)
    browser, path = signed_in(admin), f"/keys/{key.name}/schedule-deletion"
    assert "turn off the deletion protection" in text(browser.get(path))
    sent = {"reason": "test", "name": key.name, "waiting_days": "30"}
    refused = browser.post(path, sent)
    assert refused.status_code == 422
    assert 'name="reason"' not in text(refused)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps to the types of its columns")
def test_an_altered_entry_among_the_denials_of_the_first_hour_does_not_hide_the_page(
    admin, developer, new_key
):
    key = new_key(principal=developer.principal)
    states.disable_key(principal=admin.principal, key_id=key.id, reason="watch for failures")
    schedule_deletion(admin, key, waiting_days=7)
    require_refusals(developer, key, 3)
    catch_up()
    with without_triggers():
        assert execute("UPDATE audit_logs SET user_id = 'no id' WHERE outcome = 'denied'")
    assert "3 requests were denied after the deletion was scheduled" in plain(
        signed_in(admin).get(f"/keys/{key.name}/")
    )


def test_during_the_wait_every_page_shows_its_end_and_who_was_refused(admin, developer, new_key):
    key = new_key(principal=developer.principal)
    states.disable_key(principal=admin.principal, key_id=key.id, reason="watch for failures")
    require_refusals(developer, key, 2)  # earlier in the same hour
    schedule_deletion(admin, key, waiting_days=7)
    require_refusals(developer, key, 3)
    browser = signed_in(admin)
    ends = Key.objects.get(pk=key.pk).deletion_at
    for page in ("", "versions/", "settings/"):
        shown = plain(browser.get(f"/keys/{key.name}/{page}"))
        assert "by ada: obsolete" in shown
        assert f"Will be destroyed on {ends:%Y-%m-%d %H:%MZ} (in 7 days)" in shown
        assert "3 requests were denied after the deletion was scheduled, the latest on" in shown
        assert "from dora" in shown
        assert "Cancel deletion" in shown
        assert "keys can be" not in shown
    listed = plain(browser.get("/keys/?status=scheduled"))
    assert "Deletion in 7 days" in listed
    assert "State: Scheduled for deletion" in listed


def test_a_cancelled_deletion_leaves_a_disabled_key_that_shows_why(admin, operator, key):
    schedule_deletion(admin, key)
    path = f"/keys/{key.name}/cancel-deletion"
    assert signed_in(operator).get(path).status_code == 403
    browser = signed_in(admin)
    assert "If it was active, it is now disabled." in text(browser.get(path))
    assert browser.post(path, {"reason": "still needed"}).status_code == 303
    assert Key.objects.get(pk=key.pk).state == "suspended"
    assert re.search("Deletion cancelled .* by ada: still needed", plain(browser.get(f"/keys/{key.name}/")))


def test_a_destroyed_key_keeps_its_page_and_its_history(admin, destroyed):
    browser = signed_in(admin)
    page = plain(browser.get(f"/keys/{destroyed.name}/"))
    assert "The key material was deleted." in page
    assert "Destroyed" in page
    versions = plain(browser.get(f"/keys/{destroyed.name}/versions/"))
    assert "Version 1 Destroyed" in versions
    assert "Danger zone" not in text(browser.get(f"/keys/{destroyed.name}/settings/"))
    assert destroyed.name in text(browser.get("/keys/?status=destroyed"))


def test_a_version_is_scheduled_for_destruction_and_kept(admin, operator, rotated, use):
    use(rotated, operator, version=1, count=9)
    browser, path = signed_in(admin), f"/keys/{rotated.name}/versions/1/"
    page = plain(browser.get(path + "schedule-destruction"))
    assert "the material of version 1 is destroyed: data encrypted with it can never be decrypted" in page
    sent = {"reason": "all data re-encrypted", "waiting_days": "9", "name": "another"}
    assert "The name does not match." in text(browser.post(path + "schedule-destruction", sent))
    sent["name"] = rotated.name
    assert browser.post(path + "schedule-destruction", sent).status_code == 303
    listed = plain(browser.get(f"/keys/{rotated.name}/versions/"))
    assert "Destruction in 9 days" in listed
    assert re.search("Destruction scheduled [^.]* by ada: all data re-encrypted", listed)
    assert "is already scheduled for destruction" in text(browser.get(path + "schedule-destruction"))
    assert "Cancel destruction" not in text(signed_in(operator).get(f"/keys/{rotated.name}/versions/"))
    assert browser.post(path + "cancel-destruction", {"reason": "an archive"}).status_code == 303
    listed = plain(browser.get(f"/keys/{rotated.name}/versions/"))
    assert re.search("Disabled Destruction cancelled [^.]* by ada: an archive", listed)


def test_only_an_earlier_version_of_an_unprotected_key_is_destroyed(admin, rotated):
    browser, path = signed_in(admin), f"/keys/{rotated.name}/versions/"
    assert "You cannot destroy the primary version." in text(browser.get(f"{path}3/schedule-destruction"))
    editing.update_key(principal=admin.principal, key_id=rotated.id, changes={"deletion_protection": True})
    assert "protected against deletion" in text(browser.get(f"{path}1/schedule-destruction"))
    session = browser.session
    session[CONFIRMED_AT] = (database_now() - timedelta(minutes=11)).isoformat()
    session.save()
    assert browser.get(f"{path}1/schedule-destruction")["Location"].startswith("/reauth/")


def test_the_minimum_version_is_raised_with_its_impact_in_view(admin, rotated, use):
    use(rotated, admin, version=1, count=312, verb="decrypted")
    browser, path = signed_in(admin), f"/keys/{rotated.name}/minimum-version"
    assert f'action="{path}"' in text(browser.get(f"/keys/{rotated.name}/versions/"))
    page = plain(browser.get(f"{path}?version=2"))
    assert f"Raise the minimum version of {rotated.name} to 2?" in page
    assert "In the last 30 days, this change would have denied 312 requests." in page.replace("\u202f", "")
    assert browser.post(f"{path}?version=2", {"name": "another"}).status_code == 422
    assert browser.post(f"{path}?version=2", {"name": rotated.name}).status_code == 303
    assert Key.objects.get(pk=rotated.pk).min_decryption_version == 2
    assert "Version 1 Below minimum" in plain(browser.get(f"/keys/{rotated.name}/versions/"))
    assert "Lower the minimum version" in plain(browser.get(f"{path}?version=1"))
    assert "is already 2" in text(browser.get(path))
    for number in ("4", "0", "x"):
        assert 'name="name"' not in text(browser.get(f"{path}?version={number}"))
    session = browser.session
    session[CONFIRMED_AT] = (database_now() - timedelta(minutes=11)).isoformat()
    session.save()
    assert browser.get(f"{path}?version=3")["Location"].startswith("/reauth/")


def test_a_grace_period_shows_its_end_at_each_replaced_version(admin, new_key):
    rules = {"grace_days": 10, "reencrypt": True}
    policy = PolicyFactory(name="grace", rotation_policy=rules)
    key = new_key(policy_id=policy.id)
    for _ in range(2):
        rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    replacement = KeyVersion.objects.get(key=key, version=2)
    replacement.created_at = database_now() - timedelta(days=11)
    replacement.save_with_mac()
    listed = plain(signed_in(admin).get(f"/keys/{key.name}/versions/"))
    assert f"Version 2 Earlier Grace period ends on {database_now() + timedelta(days=10):%Y-%m-%d}" in listed
    assert "Version 1 Re-encrypt only Grace period ended on" in listed
