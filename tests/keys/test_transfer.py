"""The transfer of a key, and of all keys of a user, to another owner."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from accounts.users.services.editing import disable_user
from kernel.errors import RecentAuthRequired, VersionConflict
from kernel.identities import Identity
from keys.creation import services as creation
from keys.editing import ownership
from keys.models import Key
from tests.browsing import plain, signed_in
from tests.factories import ServiceAccountFactory
from tests.personas import b64

pytestmark = pytest.mark.django_db
REASON = "dora leaves"


@pytest.fixture
def key(new_key, developer):
    return new_key(principal=developer.principal, name="payments-db")


def order(identity):
    return {"owner_type": identity.type.value, "owner_id": str(identity.id), "reason": REASON}


def encrypts(persona, key):
    body = {"key_id": str(key.id), "algorithm": "aes-256-gcm", "data": b64(b"text")}
    return persona.api.post("/api/v1/encrypt", body).status


@pytest.mark.django_db(transaction=True)
def test_only_the_new_owner_uses_the_key_and_the_log_has_both(key, admin, developer, stranger, events_of):
    assert (encrypts(developer, key), encrypts(stranger, key)) == (200, 404)
    response = admin.api.post(f"/api/v1/keys/{key.id}/transfer", order(stranger.user.identity))
    assert (response.status, response.json["owner_id"]) == (200, str(stranger.user.id))
    assert (encrypts(developer, key), encrypts(stranger, key)) == (404, 200)
    [event] = [each for each in events_of(key) if each.action == "keys.key.transferred"]
    assert (
        json.loads(event.meta).items()
        >= {
            "reason": REASON,
            "owner_id": str(stranger.user.id),
            "former_owner_id": str(developer.user.id),
        }.items()
    )


def test_a_service_account_can_get_the_key_and_give_it_back(key, admin, developer):
    account = ServiceAccountFactory(name="billing")
    for owner in (account.identity, developer.user.identity):
        admin.api.post(f"/api/v1/keys/{key.id}/transfer", order(owner))
        assert Key.objects.get(pk=key.pk).check_mac().owner == owner


def test_a_transfer_needs_a_recent_sign_in_and_the_owner_that_was_shown(key, admin, developer, stranger):
    identity = stranger.user.identity
    given = {"owner_type": "user", "owner_id": identity.id, "reason": REASON}
    old = replace(admin.principal, auth_time=admin.principal.auth_time - timedelta(minutes=11))
    with pytest.raises(RecentAuthRequired):
        ownership.transfer_key(principal=old, key_id=key.id, **given)
    with pytest.raises(RecentAuthRequired):
        ownership.transfer_keys(principal=old, owner=developer.user.identity, **given)
    with pytest.raises(VersionConflict):
        ownership.transfer_key(principal=admin.principal, key_id=key.id, **given, former=identity.entity)
    typed = {"owner": identity.entity, "reason": REASON, "former": admin.user.identity.entity}
    refused = signed_in(admin).post(f"/keys/{key.name}/transfer", typed)
    assert "The owner of the key has changed since you opened this page." in plain(refused)
    assert Key.objects.get(pk=key.pk).owner == key.owner


@pytest.mark.django_db(transaction=True)
def test_a_transferred_default_key_is_that_of_no_one(admin, developer, stranger):
    default = creation.find_default(developer.principal, "aes-256")
    admin.api.post(f"/api/v1/keys/{default.key_id}/transfer", order(stranger.user.identity))
    message = {"algorithm": "aes-256-gcm", "data": b64(b"text")}
    used = {persona.api.post("/api/v1/encrypt", message).json["key_id"] for persona in (developer, stranger)}
    assert len(used - {str(default.key_id)}) == 2
    admin.api.post(f"/api/v1/keys/{default.key_id}/transfer", order(developer.user.identity))
    assert developer.api.post("/api/v1/encrypt", message).json["key_id"] in used


def test_owners_who_cannot_use_keys_are_refused_with_the_field(key, admin, auditor, stranger):
    disable_user(principal=admin.principal, user_id=stranger.user.id, reason="left")
    for identity, remedy in (
        (auditor.user.identity, "Choose an owner with another role: admin, developer."),
        (stranger.user.identity, "Enable them first, or choose another owner."),
        (Identity.service_account(stranger.user.id), "There is no service account with this ID."),
    ):
        response = admin.api.post(f"/api/v1/keys/{key.id}/transfer", order(identity))
        assert response.status == 400
        assert remedy in response.json["errors"]["owner_id"][0]
    assert Key.objects.get(pk=key.pk).owner == key.owner


def test_the_page_of_a_key_offers_those_who_can_use_keys(key, admin, auditor, operator, developer, stranger):
    browser, path = signed_in(admin), f"/keys/{key.name}/transfer"
    assert f'href="{path}"' in browser.get(f"/keys/{key.name}/settings/").content.decode()
    shown = browser.get(path)
    assert "dora owns this key now." in plain(shown)
    offered = {value for value, _ in shown.context["form"].fields["owner"].choices}
    assert offered == {"", admin.user.identity.entity, stranger.user.identity.entity}
    refused = browser.post(path, {"owner": auditor.user.identity.entity, "reason": REASON})
    assert refused.status_code == 422
    assert "Choose an active user or service account with the role admin or developer." in plain(refused)
    former = developer.user.identity.entity
    browser.post(path, {"owner": stranger.user.identity.entity, "reason": REASON, "former": former})
    assert Key.objects.get(pk=key.pk).owner == stranger.user.identity


def test_all_keys_of_a_user_are_transferred_at_most_a_hundred_at_once(
    key, admin, developer, stranger, new_key, monkeypatch
):
    monkeypatch.setattr(ownership, "MAX_CHANGED", 2)
    for name in ("ledger", "vault"):
        new_key(principal=developer.principal, name=name)
    new_key(principal=admin.principal, name="not-theirs")
    browser, path = signed_in(admin), f"/users/{developer.user.id}/transfer-keys"
    assert f'href="{path}"' in browser.get(f"/users/{developer.user.id}/").content.decode()
    assert "dora owns 3 keys." in plain(browser.get(path))
    typed = {"owner": stranger.user.identity.entity, "reason": REASON}
    assert browser.post(path, typed)["Location"] == path
    assert browser.post(path, typed)["Location"] == f"/users/{developer.user.id}/"
    assert {each.name for each in Key.objects.owned_by(stranger.user.identity)} == {
        "ledger",
        "payments-db",
        "vault",
    }
    assert "has no keys to transfer" in plain(browser.get(path))


def test_a_key_that_cannot_change_does_not_stop_the_others(key, admin, developer, stranger, new_key):
    altered = new_key(principal=developer.principal, name="altered")
    Key.objects.filter(pk=altered.pk).update(primary_version=7)
    typed = {"owner": stranger.user.identity.entity, "reason": REASON}
    text = plain(signed_in(admin).post(f"/users/{developer.user.id}/transfer-keys", typed))
    assert "1 key of dora transferred." in text
    assert "alteredNot changed." in text.replace(" Not changed", "Not changed")


def test_a_destroyed_key_keeps_its_owner(key, admin, stranger):
    Key.objects.filter(pk=key.pk).update(state="destroyed")
    destroyed = Key.objects.get(pk=key.pk)
    destroyed.save_with_mac()
    response = admin.api.post(f"/api/v1/keys/{key.id}/transfer", order(stranger.user.identity))
    assert (response.status, response.code) == (409, "illegal_transition")
    assert "A destroyed key keeps its owner." in plain(signed_in(admin).get(f"/keys/{key.name}/transfer"))
