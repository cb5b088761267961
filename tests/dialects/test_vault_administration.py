"""What only a migration token may do."""

import base64
import json

import pytest
import time_machine

from accounts.roles import ROLES
from accounts.service_accounts.services.tokens import scopes_for
from kernel.errors import Conflict
from keys.deletion.services import cancel_deletion, destroy_due_keys, schedule_deletion
from keys.lifecycle import State
from keys.models import Key, TransitKey
from keys.states.services import disable_version, enable_version
from tests.dialects.conftest import TEXT, Vault, native_key, vault_of
from tests.factories import SYSTEM
from tests.keys.steps import end_wait
from tests.personas import with_token

ALL_KINDS = ["aes256-gcm96", "chacha20-poly1305", "ed25519", "ecdsa-p256", "rsa-2048", "hmac"]


@pytest.fixture
def migrating(admin, transactional_db) -> Vault:
    return vault_of(with_token(admin, scopes_for(ROLES["admin"])))


def create(vault, name="orders", **members):
    vault.data(f"keys/{name}", {"exportable": True, "allow_plaintext_backup": True, **members})


def get(vault, path):
    return vault.send("GET", f"transit/{path}")


REQUESTS = [
    ("GET", "export/encryption-key/orders", None),
    ("GET", "backup/orders", None),
    ("POST", "restore/other", {"backup": "e30="}),
    ("POST", "keys/orders/trim", {"min_available_version": 1}),
    ("DELETE", "keys/orders", None),
    ("POST", "../sys/mounts/eu", {"type": "transit"}),
    ("DELETE", "../sys/mounts/eu", None),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_a_person_and_a_normal_token_never_do_it(admin, vault, method, path, body):
    create(vault)
    vault.data("keys/orders/config", {"deletion_allowed": True})
    for caller in (vault, vault_of(with_token(admin))):
        assert caller.send(method, f"transit/{path}".replace("transit/../", ""), body).status == 403
    assert native_key("orders").state == State.ACTIVE


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_backup_restores_under_another_name_with_the_same_secrets(migrating, kind):
    create(migrating, type=kind, **({"key_size": 32} if kind == "hmac" else {}))
    if kind != "hmac":
        migrating.data("keys/orders/rotate")
    backup = get(migrating, "backup/orders").json["data"]["backup"]
    assert migrating.post("restore/copy", {"backup": backup}).status == 204
    for form in ("hmac-key", "encryption-key", "signing-key", "public-key"):
        ours, copies = (get(migrating, f"export/{form}/{name}") for name in ("orders", "copy"))
        assert ours.status == copies.status
        if ours.status == 200:
            ours, copies = (each.json["data"]["keys"] for each in (ours, copies))
            assert ours.items() <= copies.items()
            # The number of earlier messages is unknown, so a key with random nonces of 12 bytes is rotated.
            assert len(copies) - len(ours) == (kind in {"aes256-gcm96", "chacha20-poly1305"})
    if kind == "aes256-gcm96":
        assert migrating.encrypt("copy").startswith("vault:v3:")


def test_a_restore_replaces_a_key_only_by_force(migrating):
    create(migrating)
    backup = get(migrating, "backup/orders").json["data"]["backup"]
    refused = migrating.post("restore", {"backup": backup})
    assert (refused.status, refused.json["errors"][0]) == (
        500,
        '1 error occurred:\n\t* key "orders" already exists\n\n',
    )
    old = native_key("orders").pk
    sealed = migrating.encrypt("orders")
    assert migrating.post("restore", {"backup": backup, "force": True}).status == 204
    assert native_key("orders").pk != old
    plain = migrating.data("decrypt/orders", {"ciphertext": sealed})["plaintext"]
    assert base64.b64decode(plain) == TEXT


def test_a_key_that_is_not_exportable_stays_here_until_a_migration_token_changes_it(migrating):
    migrating.data("keys/orders", {})
    assert get(migrating, "export/encryption-key/orders").json["errors"] == [
        "private key material is not exportable"
    ]
    assert get(migrating, "backup/orders").status == 500
    migrating.data("keys/orders/config", {"exportable": True})
    assert len(get(migrating, "export/encryption-key/orders/latest").json["data"]["keys"]) == 1
    assert "plaintext backup" in get(migrating, "backup/orders").json["errors"][0]


def test_a_backup_without_a_version_in_the_middle_is_refused(migrating):
    create(migrating)
    migrating.data("keys/orders/rotate")
    migrating.data("keys/orders/rotate")
    key = native_key("orders")
    disable_version(principal=SYSTEM, key_id=key.pk, version=2, reason="a doubt")
    refused = get(migrating, "backup/orders")
    assert (refused.status, "Enable the disabled versions first" in refused.json["errors"][0]) == (400, True)
    enable_version(principal=SYSTEM, key_id=key.pk, version=2, reason="no doubt")
    assert get(migrating, "backup/orders").status == 200


def test_a_deleted_name_is_free_at_once_and_comes_back_if_it_is_still_free(migrating):
    create(migrating)
    key = native_key("orders")
    assert "not allowed" in migrating.send("DELETE", "transit/keys/orders").json["errors"][0]
    migrating.data("keys/orders/config", {"deletion_allowed": True})
    migrating.encrypt("orders")  # is in memory now
    assert migrating.send("DELETE", "transit/keys/orders").status == 204
    assert get(migrating, "keys/orders").status == 404
    assert migrating.post("encrypt/orders", {"plaintext": ""}).status == 400
    assert Key.objects.get(pk=key.pk).state == State.DELETION_SCHEDULED
    cancel_deletion(principal=SYSTEM, key_id=key.pk, reason="it was a mistake")
    assert native_key("orders").pk == key.pk


def test_a_name_comes_back_beside_other_keys_and_a_kept_one_stays(migrating):
    for name in ("orders", "people"):
        create(migrating, name)
    orders, people = native_key("orders"), native_key("people")
    migrating.data("keys/orders/config", {"deletion_allowed": True})
    assert migrating.send("DELETE", "transit/keys/orders").status == 204
    schedule(migrating, "transit", "people")
    for key in (orders, people):
        cancel_deletion(principal=SYSTEM, key_id=key.pk, reason="it was a mistake")
    assert (native_key("orders"), native_key("people")) == (orders, people)


def test_a_name_that_is_taken_refuses_the_return_of_the_deleted_key(migrating):
    create(migrating)
    migrating.data("keys/orders/config", {"deletion_allowed": True})
    key = native_key("orders")
    migrating.send("DELETE", "transit/keys/orders")
    create(migrating)
    with pytest.raises(Conflict, match="transit/orders"):
        cancel_deletion(principal=SYSTEM, key_id=key.pk, reason="it was a mistake")


def test_trimming_ends_versions_before_the_minimum(migrating):
    create(migrating)
    migrating.data("keys/orders/rotate")
    assert "is not set" in migrating.error("keys/orders/trim", {"min_available_version": 2})
    migrating.data("keys/orders/config", {"min_decryption_version": 2, "min_encryption_version": 2})
    assert migrating.data("keys/orders/trim", {"min_available_version": 2})["min_available_version"] == 2
    document = json.loads(base64.b64decode(get(migrating, "backup/orders").json["data"]["backup"]))
    assert list(document["policy"]["keys"]) == ["2"]
    assert "decremented" in migrating.error("keys/orders/trim", {"min_available_version": 1})


def test_a_mount_holds_keys_of_its_own_until_it_ends(migrating):
    refused = migrating.send("POST", "payments/eu/keys/orders", {})
    assert (refused.status, "Create the mount first" in refused.json["errors"][0]) == (400, True)
    assert migrating.send("POST", "sys/mounts/payments/eu", {"type": "transit"}).status == 204
    create(migrating)
    assert migrating.send("POST", "payments/eu/keys/orders", {}).status == 200
    sealed = migrating.send("POST", "payments/eu/encrypt/orders", {"plaintext": ""}).json["data"][
        "ciphertext"
    ]
    opened = migrating.send("POST", "payments/eu/decrypt/orders", {"ciphertext": sealed})
    assert (opened.status, migrating.post("decrypt/orders", {"ciphertext": sealed}).status) == (200, 400)
    assert "payments/eu/" in migrating.send("GET", "sys/mounts").json["data"]
    assert migrating.send("POST", "sys/mounts/payments/eu/tune", {"description": "cards"}).status == 204
    assert migrating.send("GET", "sys/mounts/payments/eu").json["data"]["description"] == "cards"
    assert migrating.send("DELETE", "sys/mounts/payments/eu").status == 204
    assert migrating.send("POST", "payments/eu/decrypt/orders", {"ciphertext": sealed}).status == 400
    assert migrating.send("POST", "sys/mounts/payments/eu", {"type": "transit"}).status == 204


def schedule(client, mount, name):
    """The deletion of a key by a person, after which the key still has its name."""
    client.send("POST", f"{mount}/keys/{name}/config", {"deletion_allowed": True})
    key = TransitKey.objects.get(mount=mount, name=name).key
    return schedule_deletion(principal=SYSTEM, key_id=key.pk, reason="at its end", confirm_name=key.name)


def test_a_mount_ends_with_keys_in_any_state_and_none_of_them_comes_back(migrating):
    migrating.send("POST", "sys/mounts/eu", {"type": "transit"})
    for name in ("live", "ending", "gone"):
        migrating.send("POST", f"eu/keys/{name}", {})
    live = TransitKey.objects.get(mount="eu", name="live").key
    with time_machine.travel(end_wait(schedule(migrating, "eu", "gone")), tick=False):
        assert [due.error for due in destroy_due_keys(principal=SYSTEM)] == [None]
    schedule(migrating, "eu", "ending")
    assert migrating.send("DELETE", "sys/mounts/eu").status == 204
    assert not TransitKey.objects.filter(mount="eu").exists()
    with pytest.raises(Conflict, match="The mount eu/ does not exist"):
        cancel_deletion(principal=SYSTEM, key_id=live.pk, reason="it was a mistake")
    migrating.send("POST", "sys/mounts/eu", {"type": "transit"})
    cancel_deletion(principal=SYSTEM, key_id=live.pk, reason="it was a mistake")
    assert TransitKey.objects.get(mount="eu", name="live").key == live


def test_a_restore_by_force_replaces_a_key_whose_deletion_is_scheduled(migrating):
    create(migrating)
    backup = get(migrating, "backup/orders").json["data"]["backup"]
    old = schedule(migrating, "transit", "orders")
    assert migrating.post("restore", {"backup": backup, "force": True}).status == 204
    assert native_key("orders").pk != old.pk


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("transit/wrapping_key", ["read"]),
        ("payments/eu/encrypt/x", ["update"]),
        ("transit/keys/x", ["create", "delete", "list", "read", "update"]),
        ("transit/keys/x/trim", ["update"]),
        ("transit/keys/encrypt/rotate", ["update"]),
        ("transit/export/hmac-key/x", ["read"]),
        ("transit/odd/x", ["deny"]),
        ("sys/mounts", ["deny"]),
    ],
)
def test_capabilities_are_those_of_the_token(migrating, vault, path, words):
    of_person = [word for word in words if word != "delete"]
    if "trim" in path or "export" in path:
        of_person = ["deny"]
    for caller, expected in ((migrating, words), (vault, of_person)):
        response = caller.send("POST", "sys/capabilities-self", {"path": path})
        assert response.json["data"]["capabilities"] == expected


def test_capabilities_are_asked_for_one_path_or_several(migrating):
    path, other = "transit/encrypt/x", "transit/random"
    for body, paths in (
        ({"path": path, "odd": 1}, [path]),
        ({"paths": [path, other], "path": ""}, [path, other]),
        ({"paths": [path], "path": f"{other}/"}, [path, f"{other}/"]),
    ):
        found = migrating.send("POST", "sys/capabilities-self", body).json
        alone = ["capabilities"] if paths == [path] else []
        expected = {name: ["update"] for name in (*paths, *alone)}
        assert found["data"] == expected == {name: found[name] for name in expected}
        assert bool(found["warnings"]) is ("odd" in body)
    for body in ({}, {"path": ""}, {"paths": []}):
        refused = migrating.send("POST", "sys/capabilities-self", body)
        assert (refused.status, refused.json["errors"]) == (400, ["paths must be supplied"])


def test_a_running_server_is_initialized_unsealed_and_alone(migrating):
    states = [
        ("health", {"initialized": True, "sealed": False, "standby": False}),
        ("seal-status", {"initialized": True, "sealed": False, "t": 1, "n": 1, "progress": 0}),
        ("leader", {"ha_enabled": False}),
    ]
    for path, state in states:
        found = migrating.send("GET", f"sys/{path}").json
        assert {name: found[name] for name in state} == state


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("eu", {"type": "transit", "description": "x" * 256}, "description: Use at most 255 characters."),
        ("transit", {"type": "transit"}, "path is already in use at transit/"),
        ("transit/eu", {"type": "transit"}, "path is already in use at transit/"),
        ("eu", {"type": "kv"}, "plugin not found in the catalog: kv"),
        ("eu", {}, "backend type must be specified as a string"),
        (
            "sys/eu",
            {"type": "transit"},
            "The path sys/eu/ has a word that the server uses itself. Choose another path.",
        ),
    ],
)
def test_a_mount_that_cannot_be_is_refused(migrating, path, body, text):
    refused = migrating.send("POST", f"sys/mounts/{path}", body)
    assert (refused.status, refused.json["errors"]) == (400, [text])
