"""Operations with imported keys: those of OpenSSL, and those that lack a private key or the strength for new data."""

import base64
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.hashes import SHA256

from kernel.crypto.asymmetric import hybrid
from tests.foreign_keys import new_key, private_bytes, public_bytes
from tests.keys.test_import import imported
from tests.personas import b64

PLAINTEXT = b"the canary sings at four"
OAEP, HPKE = "rsa-oaep-sha256", "hpke-x25519-ml-kem-768"


def post(bench, operation, key, **fields):
    return bench.persona.api.post(f"/api/v1/{operation}", {"key_id": key["id"], **fields})


def refusal(response):
    return response.status, response.code


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
            response = bench.persona.api.post(f"/api/v1/{operation}", {"ciphertext": sealed})
            assert refusal(response) == (409, "private_key_missing")
    items = [{"ciphertext": bench.encrypt(hpke["id"], HPKE).json["ciphertext"]}]
    body = {"algorithm": HPKE, "key_id": hpke["id"], "items": items}
    [opened] = bench.persona.api.post("/api/v1/decrypt/batch", body).json["results"]
    assert opened["problem"]["code"] == "private_key_missing"


def test_a_public_key_encapsulates_and_does_not_decapsulate(bench):
    private = new_key("ml-kem-768")
    key = imported(bench.persona, "ml-kem-768", "public", b64(public_bytes(private)))
    assert key["operations"] == ["encapsulate"]
    sent = post(bench, "encapsulate", key).json
    response = post(bench, "decapsulate", key, key_version=1, ciphertext=sent["ciphertext"])
    assert refusal(response) == (409, "private_key_missing")
    whole = imported(bench.persona, "ml-kem-768", "pkcs8", b64(private_bytes(private)))
    response = post(bench, "decapsulate", whole, key_version=1, ciphertext=sent["ciphertext"])
    assert response.json["shared_secret"] == sent["shared_secret"]


@pytest.mark.parametrize("algorithm", ["x25519", "ec-p256"])
def test_an_imported_key_agrees_on_a_secret(bench, algorithm):
    ours, theirs = new_key(algorithm), new_key(algorithm)
    key = imported(bench.persona, algorithm, "pkcs8", b64(private_bytes(ours)), purpose="agree")
    response = post(bench, "shared-secret", key, public_key=b64(public_bytes(theirs)))
    arguments = (ours.public_key(),) if algorithm == "x25519" else (ec.ECDH(), ours.public_key())
    assert response.json["shared_secret"] == b64(theirs.exchange(*arguments))


def test_a_public_key_verifies_in_batches_and_protects_data_keys_and_does_not_sign(bench):
    private = new_key("ec-p256")
    key = imported(bench.persona, "ec-p256", "public", b64(public_bytes(private)), purpose="sign")
    batch = {"signing_algorithm": "ecdsa-sha256", "items": [{"message": b64(PLAINTEXT)}]}
    responses = [
        post(bench, "jwt/sign", key, claims={}),
        post(bench, "sign/batch", key, **batch),
        bench.persona.api.post(f"/api/v1/keys/{key['id']}/csr", {"subject": "CN=a"}),
    ]
    assert [refusal(response) for response in responses] == [(409, "private_key_missing")] * 3
    signature = b64(private.sign(PLAINTEXT, ec.ECDSA(SHA256())))
    items = [{"message": b64(PLAINTEXT), "signature": signature}]
    verified = post(bench, "verify/batch", key, signing_algorithm="ecdsa-sha256", items=items)
    assert verified.json["results"] == [{"valid": True}]
    assert len(bench.persona.api.get(f"/api/v1/keys/{key['id']}/jwks").json["keys"]) == 1
    hpke = imported(bench.persona, hybrid.ALGORITHM, "public", b64(hybrid.generate()[1]))
    assert "ciphertext" in post(bench, "data-keys", hpke).json


def test_rsa_2048_verifies_in_batches_and_signs_nothing(bench, old_key):
    key = imported(bench.persona, "rsa-2048", "pkcs8", b64(private_bytes(old_key)), purpose="sign")
    mode = {"signing_algorithm": "rsa-pkcs1-sha256"}
    responses = [
        post(bench, "jwt/sign", key, claims={}, **mode),
        post(bench, "sign/batch", key, items=[{"message": b64(PLAINTEXT)}], **mode),
        bench.persona.api.post(f"/api/v1/keys/{key['id']}/csr", {"subject": "CN=a", **mode}),
    ]
    assert [refusal(response) for response in responses] == [(409, "key_cannot_protect")] * 3
    signature = b64(old_key.sign(PLAINTEXT, padding.PKCS1v15(), SHA256()))
    items = [{"message": b64(PLAINTEXT), "signature": signature}]
    assert post(bench, "verify/batch", key, items=items, **mode).json["results"] == [{"valid": True}]


PSS = ["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest", "-digest", "sha256"]


@pytest.mark.parametrize(
    ("algorithm", "mode", "making", "signing"),
    [
        ("ec-p256", "ecdsa-sha256", ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], ["-digest", "sha256"]),
        ("rsa-2048", "rsa-pss-sha256", ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], PSS),
        ("rsa-3072", "rsa-pss-sha256", ["RSA", "-pkeyopt", "rsa_keygen_bits:3072"], PSS),
        ("ed25519", "ed25519", ["ED25519"], []),
    ],
)
def test_a_key_of_openssl_signs_there_and_here(bench, tmp_path, algorithm, mode, making, signing):
    key, message, signature = (tmp_path / name for name in ("key.pem", "message", "signature"))
    message.write_bytes(b"the canary sings at four")
    openssl("genpkey", "-algorithm", *making, "-out", key)
    common = ["-inkey", key, "-rawin", "-in", message, *signing]
    openssl("pkeyutl", "-sign", "-out", signature, *common)
    stored = imported(bench.persona, algorithm, "pem", key.read_text(), purpose="sign")
    fields = {"signing_algorithm": mode, "message": b64(message.read_bytes())}
    assert (
        post(bench, "verify", stored, **fields, signature=b64(signature.read_bytes())).json["valid"] is True
    )
    ours = post(bench, "sign", stored, **fields)
    if algorithm == "rsa-2048":
        assert ours.code == "key_cannot_protect"
        return
    signature.write_bytes(base64.b64decode(ours.json["signature"]))
    openssl("pkeyutl", "-verify", "-sigfile", signature, *common)


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
