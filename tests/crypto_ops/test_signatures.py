"""Sign and verify over the REST interface, and in the console. Vectors are in tests/kernel/crypto/test_signing.py."""

import base64
import hashlib
import json
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from crypto_ops.deciding.context import CachedDecisionContext, CacheMiss, UnknownCost
from crypto_ops.signatures.services.signatures import SignRequest
from kernel.crypto.algorithms import KEY_ALGORITHMS, find_key_algorithm
from kernel.crypto.modes import SIGNING_MODES
from keys.lifecycle import VersionState
from keys.models import KeyVersion
from tests.browsing import signed_in
from tests.crypto_ops.test_pages_try import results, run
from tests.log_entries import log_rows
from tests.personas import b64

MESSAGE = b64(b"the canary sings at four")
# RSA keys take long to generate. tests/kernel/crypto tests every size.
FAST = [kind.name for kind in KEY_ALGORITHMS if kind.purpose == "sign" and "rsa" not in kind.name]


@pytest.fixture
def signing_key(bench):
    return bench.key("ec-p256")


def sign(bench, key, **fields):
    body = {"key_id": key["id"], "signing_algorithm": key["modes"][0], "message": MESSAGE, **fields}
    return bench.persona.api.post("/api/v1/sign", {name: v for name, v in body.items() if v is not None})


def verify(bench, key, signature, **fields):
    body = {"key_id": key["id"], "signing_algorithm": key["modes"][0], "message": MESSAGE, **fields}
    body = {name: value for name, value in body.items() if value is not None}
    return bench.persona.api.post("/api/v1/verify", {"signature": signature, **body})


def log_of(key, action):
    return log_rows().filter(action=action, object_id=key["id"])


@pytest.mark.parametrize("algorithm", [*FAST, "rsa-3072"])
def test_every_signing_key_signs_in_each_of_its_modes(bench, algorithm):
    key = bench.key(algorithm, purpose="sign")
    assert (key["purpose"], key["operations"]) == ("sign", ["sign", "verify", "jwt"])
    assert key["modes"] == list(find_key_algorithm(algorithm, "sign").modes)
    for mode in key["modes"]:
        signed = sign(bench, key, signing_algorithm=mode).json
        assert signed.keys() == {"signature", "signing_algorithm", "key_id", "key_version"}
        good = verify(bench, key, signed["signature"], signing_algorithm=mode).json
        assert good == {"valid": True, "signing_algorithm": mode, "key_id": key["id"], "key_version": 1}
        bad = verify(bench, key, signed["signature"], signing_algorithm=mode, message=b64(b"other")).json
        assert (bad["valid"], bad["key_version"]) == (False, None)


def test_a_digest_gives_the_same_result_as_its_message(bench, signing_key):
    digest = b64(hashlib.sha256(b"the canary sings at four").digest())
    signature = sign(bench, signing_key, message=None, digest=digest).json["signature"]
    assert verify(bench, signing_key, signature).json["valid"]
    assert verify(bench, signing_key, signature, message=None, digest=digest).json["valid"]


def test_the_raw_encoding_is_another_one(bench, signing_key):
    raw = sign(bench, signing_key, encoding="raw").json["signature"]
    assert len(base64.b64decode(raw)) == 64
    assert verify(bench, signing_key, raw, encoding="raw").json["valid"]
    assert not verify(bench, signing_key, raw).json["valid"]


BAD = {
    "neither message nor digest": ({"message": None}, "message"),
    "both": ({"digest": b64(bytes(32))}, "digest"),
    "a digest of another length": ({"message": None, "digest": b64(bytes(20))}, "digest"),
    "a digest that is too long": ({"message": None, "digest": b64(bytes(65))}, "digest"),
    "an unknown encoding": ({"encoding": "pem"}, "encoding"),
    "no key": ({"key_id": None}, "key_id"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_names_the_field(bench, signing_key, case):
    fields, named = BAD[case]
    for response in (sign(bench, signing_key, **fields), verify(bench, signing_key, b64(b"x"), **fields)):
        assert (response.status, set(response.json["errors"])) == (400, {named})


def test_a_mode_that_takes_neither_digest_nor_encoding_says_so(bench):
    key = bench.key("ed25519")
    assert set(sign(bench, key, message=None, digest=b64(bytes(64))).json["errors"]) == {"digest"}
    assert set(sign(bench, key, encoding="raw").json["errors"]) == {"encoding"}


def test_keys_serve_their_purpose_only(bench, key, signing_key):
    assert sign(bench, key, signing_algorithm="ed25519").code == "unsupported_algorithm"
    assert sign(bench, signing_key, signing_algorithm="ed25519").code == "unsupported_algorithm"
    assert sign(bench, signing_key, signing_algorithm="aes-256-gcm").code == "unsupported_algorithm"
    assert verify(bench, key, b64(b"x"), signing_algorithm="ed25519").code == "unsupported_algorithm"
    refused = bench.encrypt(signing_key["id"])
    assert (refused.code, list(refused.json["errors"])) == ("unsupported_algorithm", ["key_id"])
    assert bench.encrypt(signing_key["id"], mode="ed25519").code == "unsupported_algorithm"


def test_a_rotated_key_signs_with_its_new_version_and_verifies_the_old(bench, signing_key):
    old = sign(bench, signing_key).json["signature"]
    bench.change_key(signing_key["id"], "rotate")
    new = sign(bench, signing_key).json
    assert new["key_version"] == 2
    assert [verify(bench, signing_key, each).json["key_version"] for each in (old, new["signature"])] == [
        1,
        2,
    ]
    assert verify(bench, signing_key, old, key_version=1).json["valid"]
    wrong = verify(bench, signing_key, old, key_version=2).json
    assert (wrong["valid"], wrong["key_version"]) == (False, 2)
    assert set(verify(bench, signing_key, old, key_version=3).json["errors"]) == {"key_version"}
    bench.change_key(signing_key["id"], "versions/1/disable")
    assert not verify(bench, signing_key, old).json["valid"]
    assert verify(bench, signing_key, old, key_version=1).code == "key_not_usable"


def test_an_old_version_that_is_not_tried_must_be_named(bench):
    key = bench.key("ed25519")
    old = sign(bench, key).json["signature"]
    for _ in range(15):
        bench.change_key(key["id"], "rotate")
    assert verify(bench, key, old).json["key_version"] == 1
    bench.change_key(key["id"], "rotate")
    assert set(verify(bench, key, old).json["errors"]) == {"key_version"}
    assert verify(bench, key, old, key_version=1).json["valid"]


def test_states_stop_signing_and_then_verifying(bench, signing_key):
    signature = sign(bench, signing_key).json["signature"]

    def codes():
        responses = sign(bench, signing_key), verify(bench, signing_key, signature)
        return [response.code if response.status != 200 else "" for response in responses]

    bench.change_key(signing_key["id"], "disable")
    assert codes() == ["key_not_active", "key_not_usable"]
    bench.change_key(signing_key["id"], "enable")
    bench.change_key(signing_key["id"], "revoke")
    assert codes() == ["key_not_active", ""]
    bench.change_key(signing_key["id"], "revoke", compromised=True)
    assert codes() == ["key_not_active", "key_not_usable"]


def test_the_log_has_each_operation_and_its_result(bench, signing_key):
    signature = sign(bench, signing_key).json["signature"]
    verify(bench, signing_key, signature)
    verify(bench, signing_key, b64(b"no signature"))
    [signed] = log_of(signing_key, "crypto.message.signed")
    assert (signed.object_version, signed.size, signed.outcome) == (1, 24, "ok")
    valid, invalid = log_of(signing_key, "crypto.signature.verified").order_by("id")
    assert (valid.object_version, invalid.object_version, invalid.outcome) == (1, 1, "ok")
    assert (json.loads(invalid.meta)["valid"], "valid" in valid.meta) == (False, False)
    assert signature not in signed.meta + valid.meta


@pytest.mark.parametrize("algorithm", FAST)
def test_the_public_key_is_pem_jwk_and_fingerprint(bench, algorithm):
    key = bench.key(algorithm)
    found = bench.persona.api.get(f"/api/v1/keys/{key['id']}/public-key").json
    public = load_pem_public_key(found["pem"].encode())
    der = base64.b64decode("".join(found["pem"].splitlines()[1:-1]))
    assert found["fingerprint"] == hashlib.sha256(der).hexdigest()
    assert (found["jwk"]["kid"], found["jwk"]["use"]) == (f"{key['id']}:1", "sig")
    assert not {"d", "p", "q", "priv", "k"} & found["jwk"].keys()
    if algorithm.startswith("ml-dsa"):
        assert found["jwk"]["kty"] == "AKP"
        return
    assert jwt.PyJWK(found["jwk"]).key == public


def test_each_version_has_its_own_public_key(bench, signing_key):
    path = f"/api/v1/keys/{signing_key['id']}/public-key"
    first = bench.persona.api.get(path).json
    bench.change_key(signing_key["id"], "rotate")
    second = bench.persona.api.get(path).json
    assert (first["key_version"], second["key_version"]) == (1, 2)
    assert first["fingerprint"] != second["fingerprint"]
    assert bench.persona.api.get(f"{path}?version=1").json == first
    assert bench.persona.api.get(f"{path}?version=3").status == 404


def test_the_public_key_outlives_the_private_one(bench, signing_key):
    path = f"/api/v1/keys/{signing_key['id']}/public-key"
    before = bench.persona.api.get(path).json
    row = KeyVersion.objects.get(key_id=signing_key["id"])
    row.state, row.wrapped = VersionState.DESTROYED, b""
    row.save_with_mac()
    assert bench.persona.api.get(path).json == before


def test_a_symmetric_key_has_no_public_key(bench, key):
    assert bench.persona.api.get(f"/api/v1/keys/{key['id']}/public-key").status == 404
    assert signed_in(bench.persona).get(f"/keys/{key['name']}/public-key/").status_code == 404


def test_a_policy_limits_the_signing_algorithms(bench):
    policy = {"name": "only-512", "algorithm": "ec-p256", "allowed_modes": ["ecdsa-sha512"]}
    policy_id = bench.persona.api.post("/api/v1/policies", policy).json["id"]
    key = bench.key("ec-p256", policy_id=policy_id)
    assert key["modes"] == ["ecdsa-sha512"]
    assert sign(bench, key, signing_algorithm="ecdsa-sha256").code == "policy_violated"
    signature = sign(bench, key).json["signature"]
    assert verify(bench, key, signature).json["valid"]
    counting = {"name": "counting", "algorithm": "ec-p256", "rotation_policy": {"after_uses": 5}}
    assert set(bench.persona.api.post("/api/v1/policies", counting).json["errors"]) == {"rotation_policy"}


def test_the_console_shows_the_public_key_and_its_file(bench, signing_key):
    browser = signed_in(bench.persona)
    page = browser.get(f"/keys/{signing_key['name']}/public-key/").content.decode()
    file = browser.get(f"/keys/{signing_key['name']}/public-key.pem")
    assert "-----BEGIN PUBLIC KEY-----" in page
    assert "&quot;kty&quot;: &quot;EC&quot;" in page
    assert file.headers["Content-Disposition"] == f'attachment; filename="{signing_key["name"]}-v1.pem"'
    load_pem_public_key(file.content)


def test_the_console_offers_each_algorithm_of_a_jwk(bench, signing_key):
    browser, key = signed_in(bench.persona), bench.key("rsa-3072", purpose="sign")
    path = f"/keys/{key['name']}/public-key/"
    assert "&quot;alg&quot;" not in browser.get(path).content.decode()
    page = browser.get(f"{path}?signing_algorithm=rsa-pkcs1-sha384").content.decode()
    assert "&quot;alg&quot;: &quot;RS384&quot;" in page
    assert page.count("?signing_algorithm=rsa-") == 6
    assert browser.get(f"{path}?signing_algorithm=x").status_code == 400
    assert (
        "?signing_algorithm=" not in browser.get(f"/keys/{signing_key['name']}/public-key/").content.decode()
    )


def test_the_console_signs_and_verifies(bench, signing_key):
    browser, path = signed_in(bench.persona), f"/keys/{signing_key['name']}/try/"
    signed = results(run(browser, path, "sign", "hello canary"))
    valid = run(browser, path, "verify", "hello canary", proof=signed["Signature"]).content.decode()
    assert "Valid: signed with version 1 (ecdsa-sha256)." in valid
    wrong = run(browser, path, "verify", "hello sparrow", proof=signed["Signature"]).content.decode()
    assert "Not valid for this input" in wrong
    refused = run(browser, path, "verify", "hello canary", proof="?")
    assert refused.status_code == 422
    assert "Not base64. Character 1 is not allowed." in refused.content.decode()


def test_all_signing_modes_are_tested_here():
    assert {mode for kind in [*FAST, "rsa-3072"] for mode in find_key_algorithm(kind, "sign").modes} == set(
        SIGNING_MODES
    )


def test_the_event_loop_makes_no_signature_that_takes_long(principal):
    slow = set()
    for mode in SIGNING_MODES.values():
        request = SignRequest(mode=mode, key_id=uuid4(), message=b"")
        try:
            request.decide(CachedDecisionContext(principal))
        except UnknownCost:
            slow.add(mode.name)
        except CacheMiss:
            pass
    assert slow == {name for name in SIGNING_MODES if name.startswith(("rsa-", "ml-dsa-"))}
