"""The log has one entry for each request, without secrets."""

import json

import pytest

from audit.log.refusals import flush
from tests.dialects.conftest import TEXT, Vault, native_key, vault_of
from tests.log_entries import log_rows
from tests.personas import b64, make_persona

INPUT = {"input": b64(TEXT)}
CONTEXT = b"a context that is no public text"


def newest(action):
    """The members of the only entry of an action."""
    flush()
    entry = log_rows().get(action=action)
    return entry.object_version, entry.size, entry.count, entry.outcome, entry.code, json.loads(entry.meta)


@pytest.fixture
def entries(vault, rotated):
    """The entries of one request about a key with two versions."""
    rotated("orders", versions=2, type="aes256-gcm96")
    rotated("signing", versions=1, type="ed25519")

    def of(action, path, body):
        before = set(log_rows().values_list("id", flat=True))
        vault.post(path, body)
        flush()
        [entry] = log_rows().exclude(id__in=before)
        name = path.split("/")[-1]
        assert (entry.action, entry.object_id) == (f"crypto.{action}", str(native_key(name).id))
        assert (entry.actor_name, entry.source) == ("ada", "api")
        return (
            entry.object_version,
            entry.size,
            entry.count,
            entry.outcome,
            entry.code,
            json.loads(entry.meta),
        )

    return of


def test_each_operation_leaves_one_entry(vault, entries):
    old = vault.encrypt("orders", key_version=1)
    signature, mac = vault.data("sign/signing", INPUT)["signature"], vault.data("hmac/orders", INPUT)["hmac"]
    size, aes, ed25519 = len(TEXT), "vault-aes256-gcm96", "vault-ed25519"
    for action, path, body, version, length, mode in [
        ("message.encrypted", "encrypt/orders", {"plaintext": b64(TEXT)}, 2, size, aes),
        ("message.encrypted", "encrypt/orders", {"plaintext": b64(TEXT), "key_version": 1}, 1, size, aes),
        ("message.decrypted", "decrypt/orders", {"ciphertext": old}, 1, size, aes),
        ("message.reencrypted", "rewrap/orders", {"ciphertext": old}, 1, size, aes),
        ("data_key.generated", "datakey/plaintext/orders", {"bits": 128}, 2, 16, aes),
        ("message.signed", "sign/signing", INPUT, 1, size, ed25519),
        ("signature.verified", "verify/signing", {**INPUT, "signature": signature}, 1, size, ed25519),
        ("mac.computed", "hmac/orders", INPUT, 2, size, "vault-hmac"),
        ("mac.verified", "verify/orders", {**INPUT, "hmac": mac}, 2, size, "vault-hmac"),
    ]:
        assert entries(action, path, body) == (version, length, 1, "ok", "", {"algorithm": mode}), path


def test_a_batch_leaves_one_entry_with_its_numbers(vault, entries):
    good, bad = {"plaintext": b64(TEXT)}, {"plaintext": "?"}
    aes = {"algorithm": "vault-aes256-gcm96"}
    size = len(TEXT)
    found = [
        entries("message.encrypted", "encrypt/orders", {"batch_input": items})
        for items in ([good] * 3, [good, bad, bad], [bad])
    ]
    assert found[0] == (2, 3 * size, 3, "ok", "", aes)
    assert found[1] == (2, size, 1, "ok", "", {**aes, "failed": 2})
    assert found[2] == (None, None, 1, "error", "invalid_request", aes)
    several = [{**good, "key_version": 1}, good]
    assert entries("message.encrypted", "encrypt/orders", {"batch_input": several})[:3] == (None, 2 * size, 2)


def test_a_false_signature_or_mac_is_on_record(vault, entries):
    signature = vault.data("sign/signing", {"input": ""})["signature"]
    mac = vault.data("hmac/signing", {"input": ""})["hmac"]
    for action, proof in {
        "signature.verified": {"signature": signature},
        "mac.verified": {"hmac": mac},
    }.items():
        false, true = {**INPUT, **proof}, {"input": "", **proof}
        assert entries(action, "verify/signing", false)[5]["valid"] is False
        assert "valid" not in entries(action, "verify/signing", true)[5]
        assert entries(action, "verify/signing", {"batch_input": [false, true, false]})[5]["invalid"] == 2


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("decrypt/orders", {"ciphertext": "vault:v1:" + "A" * 60}, "decryption_failed"),
        ("decrypt/orders", {"ciphertext": "vault:v9:AAAA"}, "invalid_request"),
        ("decrypt/orders", {"ciphertext": "odd"}, "invalid_request"),
        ("decrypt/signing", {"ciphertext": "vault:v1:AAAA"}, "invalid_request"),
    ],
)
def test_a_refused_decryption_is_on_record_against_its_key(entries, path, body, code):
    assert entries("message.decrypted", path, body)[3:5] == ("error", code)


def test_a_denied_request_is_on_record(vault, rotated):
    rotated()
    vault_of(make_persona("aude", "auditor")).post("encrypt/orders", {"key_id": "name:other"})
    assert newest("crypto.message.encrypted")[3:5] == ("denied", "permission_denied")
    assert log_rows().get(action="crypto.message.encrypted").object_id == "vault:transit/orders"
    Vault("odd").post("sign/orders", INPUT)
    assert newest("crypto.message.signed")[3:5] == ("denied", "authentication_failed")
    vault.post("decrypt/absent", {"ciphertext": "vault:v1:AAAA"})
    assert newest("crypto.message.decrypted")[3:5] == ("denied", "not_found")
    vault.post("verify/orders", {**INPUT, "hmac": "vault:v9:AAAA"})
    assert newest("crypto.mac.verified")[3] == "error"
    vault.post("random", {}, X_Vault_Wrap_TTL="60")
    assert newest("crypto.random.generated")[3] == "error"
    vault.send("GET", "odd")
    assert newest("vault.path.refused")[3] == "error"


def test_random_bytes_and_hashes_are_on_record_by_their_size(vault):
    vault.data("random/48")
    assert newest("crypto.random.generated")[1:4] == (48, 1, "ok")


def test_secrets_are_in_no_entry_and_no_line(vault, rotated, capfd, caplog):
    rotated("orders", versions=1, derived=True)
    rotated("signing", versions=1, type="ed25519")
    secret = {"context": b64(CONTEXT), "associated_data": b64(b"data that nobody may read")}
    sealed = vault.encrypt("orders", **secret)
    mac, signature = vault.data("hmac/orders", INPUT)["hmac"], vault.data("sign/signing", INPUT)["signature"]
    data_key = vault.data("datakey/plaintext/orders", secret)["plaintext"]
    bodies = [
        {"ciphertext": sealed, **secret},
        {"ciphertext": sealed},
        {"ciphertext": sealed, "context": "?" + b64(CONTEXT)},
    ]
    for body in [
        *bodies,
        {"plaintext": "?" + b64(TEXT), **secret},
        {"plaintext": [b64(TEXT)]},
        {b64(TEXT): 1},
    ]:
        for operation in ("encrypt", "decrypt", "rewrap", "sign", "hmac", "verify", "datakey/wrapped"):
            vault.post(f"{operation}/orders", body)
            vault.post(f"{operation}/orders", {"batch_input": [body]})
            vault.post(f"{operation}/orders", json.dumps(body).encode() + b"}")
    vault.post("verify/signing", {**INPUT, "signature": signature + "A"})
    vault.post("verify/orders", {**INPUT, "hmac": mac})
    Vault(vault.token + "x").post("encrypt/orders", {"plaintext": b64(TEXT)})
    vault.post("encrypt/orders", {}, Authorization=f"Bearer {vault.token}")
    written = json.dumps(list(log_rows().values()), default=str) + caplog.text + "".join(capfd.readouterr())
    parts = [vault.token, *secret.values(), b64(TEXT), data_key, sealed, mac, signature]
    clear = [TEXT.decode(), CONTEXT.decode()]
    assert [
        part for part in [*clear, *(each.rpartition(":")[2][:30] for each in parts)] if part in written
    ] == []
