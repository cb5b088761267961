import json
from dataclasses import replace
from datetime import timedelta

import pytest

from accounts.errors import NameTaken
from kernel.clock import database_now
from kernel.errors import Denied, Invalid, NotFound, RecentAuthRequired
from kernel.freshness.epoch import read_epoch
from keys.creation import services as creation
from keys.errors import IllegalTransition, KeyNotActive, PolicyViolated
from keys.models import Key, KeyGrant, KeyRotation
from keys.rotation.services import rotating
from keys.states import services as states
from tests.factories import GrantFactory, PolicyFactory
from tests.keys.steps import succeed
from tests.personas import b64

pytestmark = pytest.mark.django_db


def test_the_new_key_takes_the_place_of_the_old_one(admin, developer, new_key, events_of, changes_of):
    old = new_key(
        principal=developer.principal,
        description="orders",
        tags=["prod", "eu"],
        deletion_protection=True,
        rotation_period_days=30,
    )
    GrantFactory(key=old, operations=["encrypt", "decrypt"])
    epoch = read_epoch()
    new = succeed(admin, old, algorithm="chacha20")
    stored, before = Key.objects.get(pk=new.pk).check_mac(), Key.objects.get(pk=old.pk).check_mac()
    assert (stored.algorithm, stored.state, stored.primary_version) == ("chacha20", "active", 1)
    assert (stored.description, stored.tags, stored.deletion_protection) == ("orders", ["prod", "eu"], True)
    assert (stored.owner, stored.rotation_period_days) == (old.owner, 30)
    assert (before.state, before.successor_id, before.next_rotation_at) == ("deactivated", new.id, None)
    copied = KeyGrant.objects.get(key=new).check_mac()
    assert (copied.principal_id, copied.operation_words) == ("developer", ["decrypt", "encrypt"])
    rotation = KeyRotation.objects.get()
    assert (rotation.old_key_id, rotation.new_key_id) == (old.id, new.id)
    assert (rotation.old_version, rotation.new_version, rotation.status) == (1, 1, "completed")
    assert read_epoch() == epoch + 1
    ended, created = events_of(old)[-1], events_of(new)[-1]
    assert (ended.action, json.loads(ended.meta)["successor_id"], json.loads(ended.meta)["reason"]) == (
        "keys.key.succeeded",
        str(new.id),
        "move",
    )
    assert (created.action, json.loads(created.meta)["predecessor_id"]) == ("keys.key.created", str(old.id))
    [change] = changes_of(ended)
    assert (change.old_values["state"], change.new_values["state"]) == ("active", "deactivated")
    assert [change.table_name for change in changes_of(created)] == [
        "encryption_keys",
        "key_versions",
        "key_grants",
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["encrypt", "encrypt/batch", "stream/encrypt", "rotate"])
def test_every_interface_names_the_successor(admin, new_key, path):
    old = new_key()
    message = {"key_id": str(old.id), "algorithm": "aes-256-gcm", "data": b64(b"plain")}
    ciphertext = admin.api.post("/api/v1/encrypt", message).json["ciphertext"]
    new = succeed(admin, old)
    if path == "encrypt/batch":
        message["items"] = [{"data": message.pop("data")}]
        response = admin.api.post(f"/api/v1/{path}", message)
    elif path == "stream/encrypt":
        response = admin.api.send(
            "POST",
            f"/api/v1/stream/encrypt?key_id={old.id}",
            b"plain",
            Content_Type="application/octet-stream",
        )
    elif path == "rotate":
        response = admin.api.post(f"/api/v1/keys/{old.id}/rotate", {"reason": "test"})
    else:
        response = admin.api.post(f"/api/v1/{path}", message)
    assert (response.status, response.json["code"]) == (409, "key_not_active")
    assert response.json["successor_id"] == str(new.id)
    assert response.json["detail"] == f"The key was replaced by key {new.id}. Use that key."
    assert admin.api.post("/api/v1/decrypt", {"ciphertext": ciphertext}).json["data"] == b64(b"plain")


def test_the_endpoint_returns_the_new_key(admin, key):
    response = admin.api.post(f"/api/v1/keys/{key.id}/succeed", {"name": "next-key", "reason": "move"})
    assert (response.status, response.json["name"], response.json["algorithm"]) == (
        201,
        "next-key",
        "aes-256",
    )
    assert response.raw.headers["Location"] == f"/api/v1/keys/{response.json['id']}"
    assert admin.api.get(f"/api/v1/keys/{key.id}").json["successor_id"] == response.json["id"]
    listed = admin.api.get(f"/api/v1/rotations?key_id={key.id}").json["results"]
    assert [row["new_key_id"] for row in listed] == [response.json["id"]]


def test_an_expired_key_may_be_replaced_and_stays_expired(admin, new_key, let_time_pass):

    old = new_key(expires_at=database_now() + timedelta(hours=1))
    let_time_pass(old, expired=True)
    new = succeed(admin, old)
    stored = Key.objects.get(pk=old.pk)
    assert (stored.state, stored.successor_id) == ("active", new.id)
    assert new.expires_at is None
    with pytest.raises(KeyNotActive) as refusal:
        rotating.rotate_key(principal=admin.principal, key_id=old.id, reason="test")
    assert refusal.value.extra["successor_id"] == str(new.id)


@pytest.mark.parametrize("end", ["disable_key", "revoke_key"])
def test_a_key_in_another_state_is_not_replaced(admin, key, end):
    getattr(states, end)(principal=admin.principal, key_id=key.id, reason="test")
    with pytest.raises(IllegalTransition):
        succeed(admin, key)
    assert not Key.objects.filter(name="new-key").exists()


def test_a_key_is_replaced_once(admin, key):
    new = succeed(admin, key)
    with pytest.raises(IllegalTransition) as refusal:
        succeed(admin, key, "another-key")
    assert refusal.value.extra["successor_id"] == str(new.id)
    assert succeed(admin, new, "third-key").name == "third-key"


def test_the_policy_decides_the_algorithm_and_the_lifetime(admin, new_key):
    policy = PolicyFactory(algorithm="chacha20", key_lifetime_days=365)
    old = new_key(rotation_period_days=30)
    new = succeed(admin, old, policy_id=policy.id)
    assert (new.algorithm, new.policy_id, new.rotation_period_days) == ("chacha20", policy.id, None)
    assert (new.expires_at - new.created_at).days == 365
    same = succeed(admin, new, "same-policy")
    assert same.policy_id == policy.id
    without = succeed(admin, same, "no-policy", algorithm="aes-256")
    assert without.policy_id is None
    with pytest.raises(PolicyViolated):
        succeed(admin, without, "wrong", algorithm="aes-256", policy_id=policy.id)


def test_under_the_setting_the_new_key_needs_a_policy(admin, key, settings):
    settings.CC_REQUIRE_POLICY = True
    with pytest.raises(PolicyViolated):
        succeed(admin, key)


def test_a_default_key_passes_its_role_on(developer, admin):
    old = creation.default_key(developer.principal, "aes-256")
    new = succeed(admin, old)
    assert creation.default_key(developer.principal, "aes-256").id == new.id
    other = succeed(admin, new, "other-algorithm", algorithm="chacha20")
    assert creation.default_key(developer.principal, "aes-256").id == new.id
    assert not other.is_default


def test_a_succession_is_refused_without_permission_a_valid_name_or_a_recent_sign_in(
    admin, operator, developer, allowed_stranger, new_key
):
    key = new_key(principal=developer.principal, name="old-key")
    for person in (operator, developer):
        with pytest.raises(Denied):
            succeed(person, key)
    with pytest.raises(NotFound):
        succeed(allowed_stranger, key)
    with pytest.raises(NameTaken):
        succeed(admin, key, "old-key")
    with pytest.raises(Invalid):
        succeed(admin, key, "No Name")
    old_session = replace(admin.principal, auth_time=database_now() - timedelta(minutes=11))
    with pytest.raises(RecentAuthRequired):
        succeed(replace(admin, principal=old_session), key)
    assert Key.objects.get(pk=key.pk).successor_id is None


def test_the_successor_has_the_same_purpose(admin, new_key):
    with pytest.raises(Invalid) as refusal:
        succeed(admin, new_key(), algorithm="ed25519")
    assert set(refusal.value.fields) == {"algorithm"}
    assert succeed(admin, new_key(algorithm="ec-p256"), algorithm="ml-dsa-65").purpose == "sign"
