"""Operations with imported keys that lack something: a private key, or the strength for new data."""

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from kernel.crypto import hybrid
from tests.foreign_keys import new_key, private_bytes, public_bytes
from tests.keys.test_import import imported
from tests.personas import b64

PLAINTEXT = b"the canary sings at four"
OAEP, HPKE = "rsa-oaep-sha256", "hpke-x25519-ml-kem-768"


def post(bench, operation, key, **fields):
    return bench.persona.api.post(f"/api/v1/{operation}", {"key_id": key["id"], **fields})


def refusal(answer):
    return answer.status, answer.code


@pytest.fixture
def old_key():
    """Of RSA-2048."""
    return new_key("rsa-2048")


def sealed_for(key):
    oaep = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
    return {
        "encrypted_data": b64(key.public_key().encrypt(PLAINTEXT, oaep)),
        "algorithm": OAEP,
        "key_version": 1,
    }


def test_rsa_2048_decrypts_and_does_not_encrypt(bench, old_key):
    key = imported(bench.persona, "rsa-2048", "pkcs8", b64(private_bytes(old_key)), purpose="encrypt")
    assert key["operations"] == ["decrypt", "reencrypt"]
    assert post(bench, "decrypt", key, **sealed_for(old_key)).json["data"] == b64(PLAINTEXT)
    refused = (409, "key_cannot_protect")
    assert refusal(bench.encrypt(key["id"], OAEP)) == refused
    body = {"algorithm": OAEP, "key_id": key["id"], "items": [{"data": b64(PLAINTEXT)}]}
    assert refusal(bench.persona.api.post("/api/v1/encrypt/batch", body)) == refused


def test_a_public_key_encrypts_and_does_not_decrypt(bench):
    strong = new_key("rsa-3072")
    rsa = imported(bench.persona, "rsa-3072", "public", b64(public_bytes(strong)), purpose="encrypt")
    hpke = imported(bench.persona, hybrid.ALGORITHM, "public", b64(hybrid.generate()[1]))
    for key, mode in ((rsa, OAEP), (hpke, HPKE)):
        assert key["operations"] == ["encrypt", "data_key"]
        sealed = bench.encrypt(key["id"], mode).json["ciphertext"]
        for operation in ("decrypt", "reencrypt"):
            answer = bench.persona.api.post(f"/api/v1/{operation}", {"ciphertext": sealed})
            assert refusal(answer) == (409, "private_key_missing")
    items = [{"ciphertext": bench.encrypt(hpke["id"], HPKE).json["ciphertext"]}]
    body = {"algorithm": HPKE, "key_id": hpke["id"], "items": items}
    [opened] = bench.persona.api.post("/api/v1/decrypt/batch", body).json.get("results", [{}])
    assert "data" not in opened


def test_a_public_key_encapsulates_and_does_not_decapsulate(bench):
    private = new_key("ml-kem-768")
    key = imported(bench.persona, "ml-kem-768", "public", b64(public_bytes(private)))
    assert key["operations"] == ["encapsulate"]
    sent = post(bench, "encapsulate", key).json
    answer = post(bench, "decapsulate", key, key_version=1, ciphertext=sent["ciphertext"])
    assert refusal(answer) == (409, "private_key_missing")
    whole = imported(bench.persona, "ml-kem-768", "pkcs8", b64(private_bytes(private)))
    answer = post(bench, "decapsulate", whole, key_version=1, ciphertext=sent["ciphertext"])
    assert answer.json["shared_secret"] == sent["shared_secret"]


@pytest.mark.parametrize("algorithm", ["x25519", "ec-p256"])
def test_an_imported_key_agrees_on_a_secret(bench, algorithm):
    ours, theirs = new_key(algorithm), new_key(algorithm)
    key = imported(bench.persona, algorithm, "pkcs8", b64(private_bytes(ours)), purpose="agree")
    answer = post(bench, "shared-secret", key, public_key=b64(public_bytes(theirs)))
    assert answer.status == 200, answer.json


@pytest.mark.parametrize(
    ("algorithm", "form", "mode", "code"),
    [
        ("rsa-2048", "pkcs8", "rsa-pss-sha256", "key_cannot_protect"),
        ("ec-p256", "public", "ecdsa-sha256", "private_key_missing"),
    ],
)
def test_nothing_signs_with_a_key_that_only_verifies(bench, algorithm, form, mode, code):
    document = private_bytes if form == "pkcs8" else public_bytes
    key = imported(bench.persona, algorithm, form, b64(document(new_key(algorithm))), purpose="sign")
    body = {"signing_algorithm": mode, "items": [{"message": b64(PLAINTEXT)}]}
    for answer in (
        post(bench, "sign/batch", key, **body),
        post(bench, "jwt/sign", key, claims={"sub": "canary"}),
        bench.persona.api.post(f"/api/v1/keys/{key['id']}/csr", {"subject": "CN=canary.example"}),
    ):
        assert refusal(answer) == (409, code)


def test_a_public_key_seals_data_keys(bench):
    key = imported(bench.persona, hybrid.ALGORITHM, "public", b64(hybrid.generate()[1]))
    made = post(bench, "data-keys", key)
    assert made.status in {200, 201}, made.json
    assert bench.decrypt(ciphertext=made.json["ciphertext"]).code == "private_key_missing"
