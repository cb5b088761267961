"""Shared secrets over the REST interface, and in the console. Vectors are in tests/kernel/crypto."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from kernel.crypto.asymmetric import key_pairs
from keys.lifecycle import VersionState
from keys.models import KeyVersion
from tests.browsing import signed_in
from tests.crypto_ops.test_pages_try import results, run
from tests.log_entries import log_rows
from tests.personas import b64


@pytest.fixture
def kem_key(bench):
    return bench.key("ml-kem-768")


@pytest.fixture
def agreement_key(bench):
    return bench.key("x25519")


def post(bench, operation, key, **fields):
    return bench.persona.api.post(f"/api/v1/{operation}", {"key_id": key["id"], **fields})


def public_key(bench, key):
    return load_pem_public_key(
        bench.persona.api.get(f"/api/v1/keys/{key['id']}/public-key").json["pem"].encode()
    )


@pytest.mark.parametrize("algorithm", ["ml-kem-768", "ml-kem-1024"])
def test_a_secret_is_encapsulated_and_decapsulated(bench, algorithm):
    key = bench.key(algorithm)
    assert (key["purpose"], key["operations"]) == ("encapsulate", ["encapsulate", "decapsulate"])
    sent = post(bench, "encapsulate", key).json
    assert (sent["algorithm"], sent["key_id"], sent["key_version"]) == (algorithm, key["id"], 1)
    received = post(bench, "decapsulate", key, key_version=1, ciphertext=sent["ciphertext"]).json
    assert received == {name: value for name, value in sent.items() if name != "ciphertext"}
    # Another program encapsulates with the public key.
    secret, ciphertext = public_key(bench, key).encapsulate()
    opened = post(bench, "decapsulate", key, key_version=1, ciphertext=b64(ciphertext)).json
    assert opened["shared_secret"] == b64(secret)
    assert isinstance(public_key(bench, key), mlkem.MLKEM768PublicKey | mlkem.MLKEM1024PublicKey)


def test_decapsulation_requires_the_version_and_a_ciphertext_of_the_right_length(bench, kem_key):
    ciphertext = post(bench, "encapsulate", kem_key).json["ciphertext"]
    assert post(bench, "decapsulate", kem_key, ciphertext=ciphertext).json["errors"].keys() == {"key_version"}
    for wrong, field in (
        ({"key_version": 1, "ciphertext": ""}, "ciphertext"),
        ({"key_version": 1, "ciphertext": b64(bytes(1087))}, "ciphertext"),
        ({"key_version": 2, "ciphertext": ciphertext}, "key_version"),
    ):
        assert post(bench, "decapsulate", kem_key, **wrong).json["errors"].keys() == {field}


@pytest.mark.parametrize("algorithm", ["x25519", "ec-p256", "ec-p384", "ec-p521", "ec-secp256k1"])
def test_a_secret_is_agreed_with_another_party(bench, algorithm):
    key = bench.key(algorithm, purpose="agree")
    assert (key["purpose"], key["operations"]) == ("agree", ["agree"])
    material, document = key_pairs.generate(algorithm)
    agreed = post(bench, "shared-secret", key, public_key=b64(document)).json
    theirs, ours = key_pairs.load_private(algorithm, material), public_key(bench, key)
    if isinstance(theirs, x25519.X25519PrivateKey):
        expected = theirs.exchange(ours)
    else:
        expected = theirs.exchange(ec.ECDH(), ours)
    assert agreed == {
        "shared_secret": b64(expected),
        "algorithm": key["modes"][0],
        "key_id": key["id"],
        "key_version": 1,
    }


def test_the_public_key_of_the_other_party_may_be_pem_and_a_compressed_point(bench):
    key = bench.key("ec-p256", purpose="agree")
    theirs = ec.generate_private_key(ec.SECP256R1()).public_key()
    whole = theirs.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    header = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
    compressed = header + theirs.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    pem = theirs.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    responses = [
        post(bench, "shared-secret", key, public_key=sent) for sent in (b64(whole), b64(compressed), pem)
    ]
    assert {response.json["shared_secret"] for response in responses} == {responses[0].json["shared_secret"]}
    for sent, cause in (
        (b64(key_pairs.generate("ec-p384")[1]), "secp384r1"),
        (pem.replace("PUBLIC", "PRIVATE"), "private key"),
        (b64(bytes(2049)), "at most 2048 bytes"),
        (7, "Expected a string"),
    ):
        response = post(bench, "shared-secret", key, public_key=sent)
        assert (response.status, cause in response.json["errors"]["public_key"][0]) == (400, True)


def test_an_earlier_version_gives_the_earlier_secret(bench, agreement_key):
    _, document = key_pairs.generate("x25519")
    first = post(bench, "shared-secret", agreement_key, public_key=b64(document)).json
    bench.change_key(agreement_key["id"], "rotate")
    second = post(bench, "shared-secret", agreement_key, public_key=b64(document)).json
    assert second["key_version"] == 2
    assert second["shared_secret"] != first["shared_secret"]
    again = post(bench, "shared-secret", agreement_key, public_key=b64(document), key_version=1).json
    assert again == first


def test_a_disabled_version_decapsulates_nothing(bench, kem_key):
    ciphertext = post(bench, "encapsulate", kem_key).json["ciphertext"]
    bench.change_key(kem_key["id"], "rotate")
    bench.change_key(kem_key["id"], "versions/1/disable")
    response = post(bench, "decapsulate", kem_key, key_version=1, ciphertext=ciphertext)
    assert (response.status, response.code) == (409, "key_not_usable")
    assert KeyVersion.objects.get(key=kem_key["id"], version=1).state == VersionState.DISABLED


def test_a_revoked_key_decapsulates_but_does_not_encapsulate(bench, kem_key):
    ciphertext = post(bench, "encapsulate", kem_key).json["ciphertext"]
    bench.change_key(kem_key["id"], "revoke")
    assert post(bench, "encapsulate", kem_key).code == "key_not_active"
    assert post(bench, "decapsulate", kem_key, key_version=1, ciphertext=ciphertext).status == 200


def test_a_policy_without_the_mode_stops_new_secrets_only(bench):
    policy = {"name": "signing-only", "algorithm": "ec-p256"}
    policy_id = bench.persona.api.post("/api/v1/policies", policy).json["id"]
    key = bench.key("ec-p256", purpose="agree", policy_id=policy_id)
    change = {"allowed_modes": ["ecdsa-sha256"]}
    assert bench.persona.api.patch(f"/api/v1/policies/{policy_id}", change).status == 200
    _, document = key_pairs.generate("ec-p256")
    assert post(bench, "shared-secret", key, public_key=b64(document)).code == "policy_violated"
    assert post(bench, "shared-secret", key, public_key=b64(document), key_version=1).status == 200


def test_keys_of_other_purposes_share_no_secret(bench, key, kem_key, agreement_key):
    assert post(bench, "encapsulate", key).code == "unsupported_algorithm"
    assert post(bench, "encapsulate", agreement_key).code == "unsupported_algorithm"
    _, document = key_pairs.generate("x25519")
    assert post(bench, "shared-secret", kem_key, public_key=b64(document)).code == "unsupported_algorithm"


def test_the_log_records_each_without_the_secret(bench, kem_key, agreement_key):
    sent = post(bench, "encapsulate", kem_key).json
    post(bench, "decapsulate", kem_key, key_version=1, ciphertext=sent["ciphertext"])
    _, document = key_pairs.generate("x25519")
    agreed = post(bench, "shared-secret", agreement_key, public_key=b64(document)).json
    rows = log_rows().filter(action__startswith="crypto.secret.").order_by("id")
    assert [(row.action, row.object_id, json.loads(row.meta)["algorithm"]) for row in rows] == [
        ("crypto.secret.encapsulated", kem_key["id"], "ml-kem-768"),
        ("crypto.secret.decapsulated", kem_key["id"], "ml-kem-768"),
        ("crypto.secret.agreed", agreement_key["id"], "x25519"),
    ]
    recorded = " ".join(str(vars(row)) for row in rows)
    assert sent["shared_secret"] not in recorded
    assert agreed["shared_secret"] not in recorded


def test_the_page_shares_secrets(bench, kem_key, agreement_key):
    browser, path = signed_in(bench.persona), f"/keys/{kem_key['name']}/try/"
    sent = results(run(browser, path, "encapsulate", ""))
    assert "Enter the version." in run(browser, path, "decapsulate", sent["Ciphertext"]).content.decode()
    opened = results(run(browser, path, "decapsulate", sent["Ciphertext"], key_version=1))
    assert opened["Base64"] == sent["Secret"]
    assert opened["Hexadecimal"] == base64.b64decode(opened["Base64"]).hex()
    _, document = key_pairs.generate("x25519")
    path = f"/keys/{agreement_key['name']}/try/"
    assert b"Public key of the other party" in browser.get(path).content
    assert b"is required" in run(browser, path, "agree", "").content
    agreed = results(run(browser, path, "agree", key_pairs.encode_pem(document)))
    assert (
        agreed["Base64"]
        == post(bench, "shared-secret", agreement_key, public_key=b64(document)).json["shared_secret"]
    )
    refused = run(browser, path, "agree", "-----BEGIN PRIVATE KEY-----")
    assert refused.status_code == 422
    assert "as PUBLIC KEY or PRIVATE KEY" in refused.content.decode()


def test_the_page_shows_no_secret_while_decryption_is_switched_off(bench, kem_key, settings):
    settings.CC_CONSOLE_DECRYPT = False
    browser, path = signed_in(bench.persona), f"/keys/{kem_key['name']}/try/"
    refused = run(browser, path, "decapsulate", b64(bytes(1088)), key_version=1)
    assert refused.status_code == 422
    assert "turned off on this server" in refused.content.decode()
