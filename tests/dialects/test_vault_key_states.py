"""The state, the versions and the limits of a key decide at the moment of use."""

from datetime import timedelta

import pytest

from kernel.clock import database_now
from kernel.crypto.modes import RANDOM_NONCE_LIMIT
from keys.entities import key_entity
from keys.models import KeyVersion
from keys.ring import keyring
from tests.dialects.conftest import TEXT, native_key, vault_of
from tests.factories import GrantFactory
from tests.personas import b64, make_persona

PLAIN = {"plaintext": b64(TEXT)}
INPUT = {"input": b64(TEXT)}
TOO_OLD = "ciphertext or signature version is disallowed by policy (too old)"


def expire(vault, key):
    key.expires_at = database_now() - timedelta(seconds=1)
    key.save_with_mac()
    keyring.forget([key_entity(key.pk)])


def change(verb, **fields):
    def apply(vault, key):
        vault.data(f"keys/{key.transit.name}/config", {"deletion_allowed": True})
        response = vault.api.post(
            f"/api/v1/keys/{key.pk}/{verb}",
            {"reason": "test", **fields},
            Authorization=f"Bearer {vault.token}",
        )
        assert response.status == 200, response.json

    return apply


def schedule(vault, key):
    change("schedule-deletion", confirm_name=key.name)(vault, key)


STATES = {
    "disabled": (change("disable"), False),
    "revoked": (change("revoke"), True),
    "compromised": (change("revoke", compromised=True), False),
    "expired": (expire, True),
    "scheduled for deletion": (schedule, False),
}


@pytest.mark.parametrize("state", STATES)
def test_a_state_stops_protection_and_may_stop_processing(vault, rotated, state):
    rotated("orders", versions=1)
    sealed, mac = vault.encrypt("orders"), vault.data("hmac/orders", INPUT)["hmac"]
    to, may_process = STATES[state]
    to(vault, native_key("orders"))
    opened = {"ciphertext": sealed}
    protecting = {
        "encrypt": PLAIN,
        "datakey/plaintext": {},
        "datakey/wrapped": {},
        "hmac": INPUT,
        "rewrap": opened,
    }
    for operation, body in protecting.items():
        text = vault.error(f"{operation}/orders", body)
        assert "key is" in text, text
        assert "plaintext" not in text, text
        if "datakey" not in operation:
            vault.error(f"{operation}/orders", {"batch_input": [body]})
    for operation, body in {"decrypt": opened, "verify": {**INPUT, "hmac": mac}}.items():
        responses = [vault.post(f"{operation}/orders", each) for each in (body, {"batch_input": [body]})]
        assert [response.status for response in responses] == [200 if may_process else 400] * 2, operation
    assert vault.send("GET", "transit/keys/orders").status == 200


def test_a_disabled_version_refuses_alone(vault, rotated):
    rotated("orders", versions=1)
    old = vault.encrypt("orders")
    vault.data("keys/orders/rotate")
    change("versions/1/disable")(vault, native_key("orders"))
    assert "version 1" in vault.error("decrypt/orders", {"ciphertext": old}).lower()
    batch = [{"ciphertext": old}, {"ciphertext": vault.encrypt("orders")}]
    results = vault.post("decrypt/orders", {"batch_input": batch}).json["data"]["batch_results"]
    assert [each["plaintext"] for each in results] == ["", b64(TEXT)]


def test_a_revoked_grant_is_refused_by_the_next_call(vault, rotated):
    rotated("orders", versions=1)
    developer = make_persona("dora", "developer")
    grant = GrantFactory(key=native_key("orders"), to=developer.principal)
    client = vault_of(developer)
    client.encrypt("orders")
    revoked = vault.api.delete(
        f"/api/v1/keys/{native_key('orders').pk}/grants/{grant.pk}", Authorization=f"Bearer {vault.token}"
    )
    assert revoked.status == 204
    assert client.error("encrypt/orders", PLAIN) == "encryption key not found"


def test_encryption_has_versions_from_the_minimum_to_the_latest(vault, rotated):
    rotated("orders", versions=4)
    vault.data("keys/orders/config", {"min_decryption_version": 2, "min_encryption_version": 3})
    found = {}
    for number in range(-1, 6):
        response = vault.post("encrypt/orders", {**PLAIN, "key_version": number})
        found[number] = (
            response.json["data"]["key_version"] if response.status == 200 else response.json["errors"][0]
        )
    what = "requested version for encryption is"
    low = f"{what} less than the minimum encryption key version"
    assert found == {
        -1: f"{what} negative", 0: 4, 1: low, 2: low, 3: 3, 4: 4, 5: f"{what} higher than the latest key version",
    }  # fmt: skip
    macs = {
        number: vault.post("hmac/orders", {**INPUT, "key_version": number}).status for number in range(-1, 6)
    }
    assert macs == {-1: 400, 0: 200, 1: 400, 2: 400, 3: 200, 4: 200, 5: 400}


def test_without_a_minimum_of_its_own_encryption_has_that_of_decryption(vault, rotated):
    rotated("orders", versions=3)
    vault.data("keys/orders/config", {"min_decryption_version": 2})
    statuses = [vault.post("encrypt/orders", {**PLAIN, "key_version": number}).status for number in (1, 2, 3)]
    assert statuses == [400, 200, 200]


@pytest.mark.parametrize("operation", ["decrypt", "rewrap"])
def test_decryption_has_versions_from_the_minimum_to_the_latest(vault, rotated, operation):
    rotated("orders", versions=3)
    texts = {number: vault.encrypt("orders", key_version=number) for number in (1, 2, 3)}
    vault.data("keys/orders/config", {"min_decryption_version": 2})
    assert vault.error(f"{operation}/orders", {"ciphertext": texts[1]}) == TOO_OLD
    for number in (2, 3):
        vault.data(f"{operation}/orders", {"ciphertext": texts[number]})
    too_new = texts[3].replace("v3", "v4")
    assert (
        vault.error(f"{operation}/orders", {"ciphertext": too_new})
        == "invalid ciphertext: version is too new"
    )
    moved = texts[3].replace("v3", "v2")
    assert (
        vault.error(f"{operation}/orders", {"ciphertext": moved}) == "cipher: message authentication failed"
    )


@pytest.mark.parametrize(
    ("member", "number", "error"),
    [
        ("min_decryption_version", 4, "cannot set min decryption version of 4, latest key version is 3"),
        ("min_encryption_version", 4, "cannot set min encryption version of 4, latest key version is 3"),
        ("min_decryption_version", -1, "min decryption version cannot be negative"),
        ("min_encryption_version", -1, "min encryption version cannot be negative"),
    ],
)
def test_a_minimum_is_one_of_the_versions(vault, rotated, member, number, error):
    rotated("orders", versions=3)
    assert vault.error("keys/orders/config", {member: number}) == error
    vault.data("keys/orders/config", {member: 3})


def test_the_minimum_of_encryption_is_not_below_that_of_decryption(vault, rotated):
    rotated("orders", versions=3)
    vault.data("keys/orders/config", {"min_encryption_version": 2, "min_decryption_version": 2})
    assert "must be greater than" in vault.error("keys/orders/config", {"min_decryption_version": 3})
    assert vault.send("GET", "transit/keys/orders").json["data"]["min_decryption_version"] == 2


def test_each_item_of_a_batch_uses_one_invocation(vault, rotated):
    rotated("orders", versions=1)
    version = KeyVersion.objects.get(key=native_key("orders"))
    KeyVersion.objects.filter(pk=version.pk).update(uses_reserved=RANDOM_NONCE_LIMIT - 3)
    response = vault.post("encrypt/orders", {"batch_input": [PLAIN] * 5})
    results = response.json["data"]["batch_results"]
    assert ["ciphertext" in each for each in results] == [True] * 3 + [False] * 2
    assert "Rotate the key" in results[3]["error"]
    opened = {"ciphertext": results[0]["ciphertext"]}
    for operation, body in {"encrypt": PLAIN, "datakey/wrapped": {}, "rewrap": opened}.items():
        assert "Rotate the key" in vault.error(f"{operation}/orders", body)
    vault.data("decrypt/orders", opened)
    vault.data("keys/orders/rotate")
    vault.encrypt("orders")


def test_a_key_with_long_nonces_has_no_limit_of_invocations(vault, rotated):
    rotated("orders", versions=1, type="xchacha20-poly1305")
    KeyVersion.objects.filter(key=native_key("orders")).update(uses_reserved=RANDOM_NONCE_LIMIT)
    vault.encrypt("orders")


def test_a_rewrap_returns_the_same_message_under_another_version_only(vault, rotated):
    rotated("orders", versions=2)
    old = vault.encrypt("orders", key_version=1)
    for response in (
        vault.post("rewrap/orders", {"ciphertext": old}),
        vault.post("rewrap/orders", {"batch_input": [{"ciphertext": old}, {"ciphertext": "vault:v2:AAAA"}]}),
    ):
        assert response.status == 200
        assert b64(TEXT).encode() not in response.raw.content
        assert TEXT not in response.raw.content
    renewed = vault.data("rewrap/orders", {"ciphertext": old})
    assert (sorted(renewed), renewed["key_version"]) == (["ciphertext", "key_version"], 2)
    assert vault.data("decrypt/orders", {"ciphertext": renewed["ciphertext"]}) == {"plaintext": b64(TEXT)}
