"""Re-encryption of the texts of transit keys under keys of this server."""

from crypto_ops.requests import MAX_AAD_BYTES
from keys.states.services import revoke_key
from tests.dialects.conftest import TEXT, native_key
from tests.factories import SYSTEM
from tests.personas import b64

CONTEXT, AAD = b64(b"a customer"), b64(b"row 7")


def test_reencryption_opens_texts_of_transit_keys(vault, admin):
    vault.data("keys/orders", {"derived": True})
    vault.data("keys/letters", {"type": "rsa-2048"})
    target = admin.api.post("/api/v1/keys", {"name": "target", "algorithm": "aes-256"}).json["id"]
    bound = vault.encrypt("orders", context=CONTEXT, associated_data=AAD)
    vault.data("keys/orders/rotate")
    orders = {
        "ciphertext": bound,
        "source_key_id": str(native_key("orders").id),
        "context": CONTEXT,
        "aad": AAD,
    }
    letters = {"ciphertext": vault.encrypt("letters"), "source_key_id": str(native_key("letters").id)}

    def reencrypt(body, **more):
        return admin.api.post("/api/v1/reencrypt", {**body, "key_id": target, **more})

    for body, is_authentic in ((orders, True), (letters, False)):
        moved = reencrypt(body).json
        assert (moved["source_key_version"], moved["source_authenticated"]) == (1, is_authentic)
        opened = {"ciphertext": moved["ciphertext"], "aad": body.get("aad", "")}
        assert admin.api.post("/api/v1/decrypt", opened).json["data"] == b64(TEXT)
    for change in ({"context": b64(b"another")}, {"aad": ""}):
        refused = reencrypt(orders, **change)
        assert (refused.status, refused.code) == (400, "decryption_failed")
    for ciphertext in ("vault:v3:AAAA", "vault:v01:AAAA", "vault:v1:?"):
        assert reencrypt(orders, ciphertext=ciphertext).status == 400
    assert reencrypt(orders, key_id=orders["source_key_id"]).code == "unsupported_algorithm"


def test_reencryption_brings_texts_of_a_compromised_transit_key_to_safety(vault, admin):
    vault.data("keys/orders")
    target = admin.api.post("/api/v1/keys", {"name": "target", "algorithm": "aes-256"}).json["id"]
    body = {"ciphertext": vault.encrypt("orders"), "source_key_id": "vault:transit/orders", "key_id": target}
    revoke_key(principal=SYSTEM, key_id=native_key("orders").pk, reason="it leaked", compromised=True)
    assert vault.post("decrypt/orders", {"ciphertext": body["ciphertext"]}).status == 400
    moved = admin.api.post("/api/v1/reencrypt", {**body, "reason": "it leaked"}).json
    assert (moved["source_key_version"], moved["source_compromised"]) == (1, True)


def test_a_job_opens_texts_of_derived_keys_with_their_contexts(vault, admin):
    vault.data("keys/orders", {"derived": True})
    target = admin.api.post("/api/v1/keys", {"name": "target", "algorithm": "aes-256"}).json["id"]
    body = {"key_id": "vault:transit/orders", "target_key_id": target}
    job = admin.api.post("/api/v1/reencryptions", body).json["id"]
    longest = bytes(MAX_AAD_BYTES)
    texts = {each: vault.encrypt("orders", context=each) for each in (CONTEXT, b64(longest))}
    items = [{"ciphertext": text, "context": context} for context, text in texts.items()]
    items += [{**items[0], "context": each} for each in (b64(b"another"), b64(longest + b"x"))]
    results = admin.api.post(f"/api/v1/reencryptions/{job}/pages", {"items": items}).json["results"]
    refusals = [result["problem"]["code"] if "problem" in result else "" for result in results]
    assert refusals == ["", "", "decryption_failed", "invalid_request"]


def test_a_job_reencrypts_texts_of_transit_keys_by_version(vault, admin):
    vault.data("keys/orders")
    texts = [vault.encrypt("orders")]
    vault.data("keys/orders/rotate")
    texts += [vault.encrypt("orders"), "vault:v3:AAAA", "vault:v1:?"]
    target = admin.api.post("/api/v1/keys", {"name": "target", "algorithm": "aes-256"}).json["id"]
    body = {"key_id": "vault:transit/orders", "target_key_id": target}
    job = admin.api.post("/api/v1/reencryptions", body).json["id"]
    path = f"/api/v1/reencryptions/{job}"
    page = admin.api.post(f"{path}/pages", {"items": [{"ciphertext": text} for text in texts]}).json
    assert (page["reencrypted"], page["refused"]) == (2, 2)
    opened = admin.api.post("/api/v1/decrypt", {"ciphertext": page["results"][0]["ciphertext"]})
    assert opened.json["data"] == b64(TEXT)
    report = admin.api.post(f"{path}/complete").json["report"]
    assert {row["version"]: row["reencrypted"] for row in report["versions"]} == {1: 1, 2: 1}
    assert admin.api.post("/api/v1/reencryptions", {"key_id": body["key_id"]}).code == "unsupported_algorithm"
