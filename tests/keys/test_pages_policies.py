"""The pages of policies, and the policy of a key on its own pages."""

import re
from datetime import timedelta

import pytest

from accounts.sessions.browser_sessions import CONFIRMED_AT
from kernel.clock import database_now
from kernel.crypto.algorithms import KEY_ALGORITHMS
from keys.editing import services as editing
from keys.models import EncryptionPolicy, Key, KeyVersion
from keys.policies.forms import PolicyForm, positions_of
from keys.policies.services import changing
from keys.policies.services.changing import Effect
from keys.policies.texts import effect_text
from tests.browsing import form_of, plain, signed_in, text
from tests.log_entries import log_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def policy(new_policy):
    return new_policy(name="pci-90", rotation_policy={"every_days": 90})


def test_a_policy_is_created_with_the_modes_of_its_algorithm(admin):
    browser = signed_in(admin)
    sent = form_of(browser.get("/policies/new")) | {
        "name": "tokens-siv",
        "algorithm": "aes-256-siv",
        "key_lifetime_days": "365",
        "every_days": "30",
        "grace_days": "7",
        "reencrypt": "on",
    }
    response = browser.post("/policies/new", sent)
    assert response["Location"] == "/policies/tokens-siv/"
    row = EncryptionPolicy.objects.get(name="tokens-siv")
    assert (row.allowed_modes, row.key_lifetime_days) == (["aes-256-siv"], 365)
    assert row.rotation_policy == {"every_days": 30, "grace_days": 7, "reencrypt": True}
    page = plain(browser.get("/policies/tokens-siv/"))
    assert "Policy tokens-siv created." in page
    assert "Every 30 days" in page
    assert "Replaced versions work for 7 days, then only re-encryption" in page


def test_faults_are_shown_at_their_fields_and_the_input_stays(admin, policy):
    browser = signed_in(admin)
    sent = {"name": policy.name, "algorithm": "aes-256", "minimum_deletion_days": "7", "reencrypt": "on"}
    refused = browser.post("/policies/new", sent)
    assert refused.status_code == 422
    assert "Set a grace period too." in text(refused)
    del sent["reencrypt"]
    refused = browser.post("/policies/new", sent)
    assert "Allowed modes: Choose one or more of: aes-256-gcm" in text(refused)
    refused = browser.post("/policies/new", sent | {"allowed_modes": "aes-256-gcm"})
    assert f"Name: A policy named {policy.name} already exists." in text(refused)
    assert f'value="{policy.name}"' in text(refused)


def test_a_change_is_previewed_before_it_is_saved(admin, new_key, policy):
    old, own, _new = (
        new_key(policy_id=policy.id),
        new_key(policy_id=policy.id, rotation_period_days=60),
        new_key(policy_id=policy.id),
    )
    for row in KeyVersion.objects.filter(key__in=[old, own]):
        row.created_at = database_now() - timedelta(days=40)
        row.save_with_mac()
    browser, path = signed_in(admin), f"/policies/{policy.name}/edit"
    sent = form_of(browser.get(path)) | {"every_days": "30", "exportable": "on"}
    preview = browser.post(path, sent)
    assert preview.status_code == 200
    page = plain(preview)
    assert "Rotate every (days)9030" in page.replace(" 90 30", "9030").replace("(days) ", "(days)")
    assert "3 keys use this policy." in page
    assert f"1 key becomes overdue for rotation: {old.name}." in page
    assert "Exportable keysNoYes" in page.replace(" No Yes", "NoYes")
    policy.refresh_from_db()
    assert policy.rotation.every_days == 90
    again = browser.post(path, form_of(preview) | {"back": "1"})
    assert form_of(again)["every_days"] == ["30"]
    done = browser.post(path, form_of(preview) | {"confirmed": "1"})
    assert done["Location"] == f"/policies/{policy.name}/"
    policy.refresh_from_db()
    assert (policy.rotation.every_days, policy.exportable) == (30, True)
    assert log_rows().filter(action="keys.policy.updated", outcome="ok").count() == 1
    unchanged = browser.post(path, form_of(browser.get(path)))
    assert unchanged["Location"] == f"/policies/{policy.name}/"
    assert log_rows().filter(action="keys.policy.updated", outcome="ok").count() == 1


@pytest.mark.parametrize(
    ("effect", "one"),
    [
        ("become overdue", "becomes overdue"),
        ("have versions", "has versions"),
        ("can no more", "can no more"),
    ],
)
def test_an_effect_has_the_verb_for_its_number_of_keys(effect, one):
    assert effect_text(Effect("", effect, 1, [])) == f"1 key {one}"
    assert effect_text(Effect("", effect, 2, [])) == f"2 keys {effect}"


def test_the_second_of_two_edits_of_a_policy_shows_both_values(admin, policy):
    browser, path = signed_in(admin), f"/policies/{policy.name}/edit"
    sent = form_of(browser.get(path)) | {"every_days": "30", "grace_days": "5"}
    preview = form_of(browser.post(path, sent))
    theirs = {"rotation_policy": {"every_days": 60}}
    changing.update_policy(principal=admin.principal, policy_id=policy.id, changes=theirs)
    refused = browser.post(path, preview | {"confirmed": "1"})
    assert refused.status_code == 422
    assert "Some fields have changed since you opened this page. Nothing was saved." in text(refused)
    assert re.findall(r'dir="auto">(\d+)</dd>', text(refused)) == ["60", "30"]
    preview = browser.post(path, form_of(refused))
    assert browser.post(path, form_of(preview) | {"confirmed": "1"}).status_code == 303
    policy.refresh_from_db()
    assert policy.rotation_policy == {"every_days": 30, "grace_days": 5}


def test_a_shorter_grace_period_needs_a_recent_sign_in_and_keeps_the_input(admin, policy):
    browser, path = signed_in(admin), f"/policies/{policy.name}/edit"
    preview = form_of(browser.post(path, form_of(browser.get(path)) | {"grace_days": "5"}))
    session = browser.session
    session[CONFIRMED_AT] = (database_now() - timedelta(hours=1)).isoformat()
    session.save()
    response = browser.post(path, preview | {"confirmed": "1"})
    assert response["Location"].startswith("/reauth/")
    assert policy.rotation.grace_days is None
    assert form_of(browser.get(path))["grace_days"] == ["5"]


def test_a_policy_is_deactivated_activated_and_deleted_if_no_key_has_it(admin, new_key, policy):
    browser, path = signed_in(admin), f"/policies/{policy.name}/"
    key = new_key(policy_id=policy.id)
    page = text(browser.get(path))
    assert f'<a href="/keys/?policy={policy.name}">1 key</a>' in page
    assert "Danger zone" not in page
    assert "1 key has this policy" in text(browser.get(path + "delete"))
    assert browser.post(path + "delete").status_code == 422
    assert browser.post(path + "deactivate").status_code == 303
    assert "accepts no new keys" in text(browser.get(path))
    assert "already disabled" in text(browser.get(path + "deactivate"))
    assert browser.post(path + "activate").status_code == 303
    editing.update_key(principal=admin.principal, key_id=key.id, changes={"policy_id": None})
    assert "Danger zone" in text(browser.get(path))
    assert browser.post(path + "delete")["Location"] == "/policies/"
    assert browser.get(path).status_code == 404


def test_the_list_is_searched_and_has_pages(admin, auditor, new_policy, monkeypatch):
    monkeypatch.setattr("keys.policies.views.LIMIT", 2)
    for name in ("a-one", "a-two", "b-three", "b-four"):
        new_policy(name=name)
    browser = signed_in(auditor)
    first = text(browser.get("/policies/"))
    named = r'href="/policies/([a-z-]+)/"'
    assert re.findall(named, first) == ["a-one", "a-two"]
    assert "Create policy" not in first
    more = {"HX-Request": "true", "HX-Target": "more-policies"}
    second = text(browser.get("/policies/?after=a-two", headers=more))
    assert re.findall(named, second) == ["b-four", "b-three"]
    searched = browser.get(
        "/policies/?search=THREE", headers={"HX-Request": "true", "HX-Target": "policy-results"}
    )
    assert re.findall(named, text(searched)) == ["b-three"]
    assert searched["HX-Push-Url"] == "/policies/?search=THREE"
    assert "No policies match" in text(browser.get("/policies/?search=zzz"))


def test_all_roles_read_a_policy_and_only_admins_change_it(developer, auditor, policy):
    for persona in (developer, auditor):
        page = text(signed_in(persona).get(f"/policies/{policy.name}/"))
        assert "Every 90 days" in page
        assert "Edit rules" not in page
        assert signed_in(persona).post(f"/policies/{policy.name}/delete").status_code == 403


@pytest.mark.parametrize("path", ["/policies/", "/policies/{}/", "/policies/{}/edit"])
def test_a_page_of_policies_costs_at_most_twelve_queries(
    admin, new_policy, new_key, connection_queries, path
):
    for number in range(5):
        new_key(policy_id=new_policy(name=f"policy-{number}").id)
    browser, path = signed_in(admin), path.format("policy-1")
    browser.get(path)
    with connection_queries() as statements:
        assert browser.get(path).status_code == 200
    assert len([each for each in statements if "SAVEPOINT" not in each["sql"]]) <= 12


def test_the_log_names_a_policy_and_links_to_it(admin, policy):
    browser = signed_in(admin)
    assert f'href="/policies/{policy.name}/"' in text(browser.get("/audit/"))
    assert "Create policy" in text(browser.get(f"/audit/?object={policy.name}"))


def test_a_key_is_created_under_a_policy_and_its_page_shows_what_follows(admin, new_policy):
    policy = new_policy(name="pci-90", key_lifetime_days=365, rotation_policy={"every_days": 90})
    browser = signed_in(admin)
    sent = {"name": "payments-db", "algorithm": "aes-128", "policy_id": str(policy.id)}
    summary = {"HX-Request": "true", "HX-Target": "key-summary"}
    shown = plain(browser.get("/keys/new", sent, headers=summary))
    assert "The policy requires aes-256." in shown
    refused = browser.post("/keys/new", sent)
    assert refused.status_code == 422
    assert "Algorithm: The policy requires aes-256." in text(refused)
    sent |= {"algorithm": "aes-256", "deletion_protection": "on"}
    shown = plain(browser.get("/keys/new", sent, headers=summary))
    assert "rotates every 90 days, next on" in shown
    assert f"expires {database_now() + timedelta(days=365):%Y-%m-%d}" in shown
    assert f"policy {policy.name}; deletion protection on" in shown
    assert browser.post("/keys/new", sent).status_code == 303
    key = Key.objects.get(name="payments-db")
    assert (key.policy, key.deletion_protection) == (policy, True)
    page = plain(browser.get("/keys/payments-db/"))
    assert f"every 90 days (policy {policy.name})" in page
    assert "Deletion protection On" in page.replace("protectionOn", "protection On")


def test_a_server_that_requires_a_policy_offers_no_other_way(admin, new_policy, settings):
    settings.CC_REQUIRE_POLICY = True
    browser = signed_in(admin)
    assert "Every key needs a policy on this server" in text(browser.get("/keys/new"))
    new_policy()
    assert "Choose a policy" in text(browser.get("/keys/new"))
    refused = browser.post("/keys/new", {"name": "payments-db", "algorithm": "aes-256"})
    assert "Policy: Every key needs a policy on this server. Choose one." in text(refused)


def test_the_policy_of_a_key_is_changed_on_its_settings(admin, new_key, policy, new_policy):
    other = new_policy(name="chacha", algorithm="chacha20")
    key = new_key()
    browser, path = signed_in(admin), f"/keys/{key.name}/settings/"
    page = text(browser.get(path))
    assert str(policy.id) in page
    assert str(other.id) not in page  # of another algorithm
    sent = form_of(browser.get(path)) | {"policy_id": str(policy.id), "deletion_protection": "on"}
    assert browser.post(path, sent).status_code == 303
    key.refresh_from_db()
    assert (key.policy_id, key.deletion_protection) == (policy.id, True)
    changing.update_policy(principal=admin.principal, policy_id=policy.id, changes={"is_active": False})
    page = text(browser.get(path))
    assert "(aes-256, disabled)" in page
    assert "turn off the deletion protection above first" in page
    too_long = form_of(browser.get(path)) | {"policy_id": str(policy.id), "rotation_period_days": "400"}
    refused = browser.post(path, too_long)
    assert "Rotation period (days): The policy allows at most 90 days." in text(refused)


def test_keys_are_found_by_their_policy(admin, new_key, policy):
    mine, _other = new_key(policy_id=policy.id), new_key()
    page = text(signed_in(admin).get(f"/keys/?policy={policy.name}"))
    assert re.findall(r'<th scope="row">.*?<a class="mono" href="/keys/([a-z0-9-]+)/"', page) == [mine.name]
    assert "Policy: <strong>pci-90</strong>" in page
    assert f'<option value="{policy.name}">' in page


def test_a_mode_is_shown_with_each_algorithm_that_has_it():
    names = [name for name, _ in PolicyForm().fields["algorithm"].choices]
    for mode in {mode for kind in KEY_ALGORITHMS if not kind.is_foreign for mode in kind.modes}:
        shown = {names[int(at)] for at in positions_of(lambda kind, mode=mode: mode in kind.modes).split()}
        assert shown == {kind.name for kind in KEY_ALGORITHMS if mode in kind.modes}
