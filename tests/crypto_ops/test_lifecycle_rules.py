"""Rules about versions and modes that decide at the moment of use: minimum version, destruction, policy."""

from datetime import timedelta

import pytest

from accounts.principals import Principal
from kernel import runtime
from kernel.clock import database_now
from keys.deletion import services as deletion
from keys.editing import services as editing
from keys.models import Key, KeyVersion
from keys.policies.services import changing
from tests.crypto_ops.conftest import split_form
from tests.factories import PolicyFactory

SYSTEM = Principal.system("tests", "command")


@pytest.fixture
def old(bench, key):
    """A ciphertext of version 1 of a key whose primary version is 2."""
    ciphertext = bench.encrypt(key["id"]).json["ciphertext"]
    bench.change_key(key["id"], "rotate")
    return ciphertext


@pytest.fixture
def policy(bench):
    return PolicyFactory(principal=bench.persona.principal)


def change_policy(bench, policy, **changes):
    changing.update_policy(principal=bench.persona.principal, policy_id=policy.id, changes=changes)


def put_under(bench, key, policy):
    changes = {"policy_id": policy.id}
    editing.update_key(principal=bench.persona.principal, key_id=key["id"], changes=changes)


def set_minimum(bench, key, version):
    response = bench.persona.api.send(
        "PATCH", f"/api/v1/keys/{key['id']}", {"min_decryption_version": version}
    )
    assert response.status == 200, response.json


def let_versions_age(key, days):
    """Move the replacement of version 1 into the past."""
    move_replacement(key, database_now() - timedelta(days=days))


def move_replacement(key, replaced_at):
    row = KeyVersion.objects.get(key=key["id"], version=2)
    row.created_at = replaced_at
    row.save_with_mac()
    runtime.fresh()


def test_versions_below_the_minimum_do_not_decrypt_and_are_not_tried(bench, key, old):
    new = bench.encrypt(key["id"]).json
    assert bench.decrypt(ciphertext=old).status == 200  # cached
    set_minimum(bench, key, 2)
    refusal = bench.decrypt(ciphertext=old)
    assert (refusal.status, refusal.code) == (409, "key_not_usable")
    assert bench.decrypt(**split_form(new)).status == 200
    assert bench.persona.api.post("/api/v1/reencrypt", {"ciphertext": old}).code == "key_not_usable"
    set_minimum(bench, key, 1)
    assert bench.decrypt(ciphertext=old).status == 200


def test_the_minimum_is_a_version_of_the_key(bench, key, old):
    response = bench.persona.api.send("PATCH", f"/api/v1/keys/{key['id']}", {"min_decryption_version": 3})
    assert response.status == 400
    assert list(response.json["errors"]) == ["min_decryption_version"]


def test_a_version_scheduled_for_destruction_does_not_decrypt(bench, key, old):
    bench.change_key(key["id"], "versions/1/schedule-destruction", confirm_name=key["name"], waiting_days=7)
    assert bench.decrypt(ciphertext=old).code == "key_not_usable"
    bench.change_key(key["id"], "versions/1/cancel-destruction")
    assert bench.decrypt(ciphertext=old).code == "key_not_usable"  # disabled
    bench.change_key(key["id"], "versions/1/enable")
    assert bench.decrypt(ciphertext=old).status == 200


def test_a_destroyed_key_keeps_its_page_and_refuses_with_its_state(bench, key, old):
    bench.change_key(key["id"], "schedule-deletion", confirm_name=key["name"])
    assert bench.decrypt(ciphertext=old).json["key_status"] == "scheduled"
    row = Key.objects.get(pk=key["id"])
    row.deletion_at = database_now()
    row.save_with_mac()
    assert len(list(deletion.destroy_due_keys(principal=SYSTEM))) == 1
    for response in (bench.decrypt(ciphertext=old), bench.encrypt(key["id"])):
        assert (response.status, response.json["key_status"]) == (409, "destroyed")
    assert bench.persona.api.get(f"/api/v1/keys/{key['id']}").json["status"] == "destroyed"


def test_a_mode_that_the_policy_excludes_no_longer_encrypts_but_decrypts(bench, key, policy):
    put_under(bench, key, policy)
    sealed = bench.encrypt(key["id"], mode="aes-256-gcm-siv").json["ciphertext"]
    change_policy(bench, policy, allowed_modes=["aes-256-gcm"])
    refusal = bench.encrypt(key["id"], mode="aes-256-gcm-siv")
    assert (refusal.status, refusal.code) == (422, "policy_violated")
    assert bench.encrypt(key["id"], mode="aes-128-gcm").code == "unsupported_algorithm"
    assert bench.decrypt(ciphertext=sealed).status == 200
    again = bench.persona.api.post("/api/v1/reencrypt", {"ciphertext": sealed}).json
    assert again["algorithm"] == "aes-256-gcm"


def test_after_the_grace_period_a_replaced_version_no_longer_decrypts(bench, key, old, policy):
    put_under(bench, key, policy)
    change_policy(bench, policy, rotation_policy={"grace_days": 2})
    let_versions_age(key, 1)
    assert bench.decrypt(ciphertext=old).status == 200
    new = bench.encrypt(key["id"]).json
    change_policy(bench, policy, rotation_policy={"grace_days": 1})
    assert bench.decrypt(ciphertext=old).code == "key_not_usable"
    assert bench.decrypt(**split_form(new)).status == 200
    inspected = bench.persona.api.post("/api/v1/inspect", {"ciphertext": old}).json
    assert (inspected["version_state"], inspected["may_decrypt"]) == ("enabled", False)


def test_after_the_grace_period_messages_can_be_reencrypted_if_the_policy_allows_it(bench, key, old, policy):
    put_under(bench, key, policy)
    for allowed in (False, True):
        rotation = {"grace_days": 0, **({"reencrypt": True} if allowed else {})}
        change_policy(bench, policy, rotation_policy=rotation)
        assert bench.decrypt(ciphertext=old).code == "key_not_usable"
        response = bench.persona.api.post("/api/v1/reencrypt", {"ciphertext": old})
        assert (response.status, response.code if response.status != 200 else "") == (
            (200, "") if allowed else (409, "key_not_usable")
        )
