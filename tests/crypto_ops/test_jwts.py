"""JWTs over the REST interface, verified with other libraries. Both interfaces are compared in test_fast_path.py."""

import json

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.crypto_ops.test_fast_path_in_process import ask
from tests.log_entries import log_rows
from tests.personas import b64

CLAIMS = {"sub": "the canary", "exp": 4102444800, "n": [1, 2.5, None, True, {"é": "ü\n"}]}
ALGORITHMS = ["ed25519", "ed448", "ec-p256", "ec-p384", "ec-p521", "ec-secp256k1"]


def sign(bench, key, **fields):
    return bench.persona.api.post("/api/v1/jwt/sign", {"key_id": key["id"], "claims": CLAIMS, **fields})


def public_key(bench, key):
    return bench.persona.api.get(f"/api/v1/keys/{key['id']}/public-key").json


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_pyjwt_verifies_it_with_the_jwk(bench, algorithm):
    key = bench.key(algorithm)
    response = sign(bench, key).json
    jwk = public_key(bench, key)["jwk"]
    header = jwt.get_unverified_header(response["jwt"])
    assert header == {"typ": "JWT", "alg": jwk["alg"], "kid": jwk["kid"]}
    assert jwt.decode(response["jwt"], jwt.PyJWK(jwk), algorithms=[jwk["alg"]]) == CLAIMS
    assert response == {
        "jwt": response["jwt"],
        "kid": f"{key['id']}:1",
        "signing_algorithm": key["modes"][0],
        "key_id": key["id"],
        "key_version": 1,
    }


@pytest.mark.parametrize("algorithm", ["ml-dsa-44", "ml-dsa-65", "ml-dsa-87"])
def test_the_signature_of_a_post_quantum_token_verifies(bench, algorithm):
    key = bench.key(algorithm)
    signed = sign(bench, key).json["jwt"]
    found = public_key(bench, key)
    assert jwt.get_unverified_header(signed)["alg"] == found["jwk"]["alg"] == algorithm.upper()
    part, _, signature = signed.rpartition(".")
    load_pem_public_key(found["pem"].encode()).verify(jwt.utils.base64url_decode(signature), part.encode())


def test_the_payload_is_compact_json_in_the_order_that_was_sent(bench):
    payload = sign(bench, bench.key("ed25519"), claims={"z": 1, "a": "é"}).json["jwt"].split(".")[1]
    assert jwt.utils.base64url_decode(payload) == '{"z":1,"a":"é"}'.encode()


def test_a_rotated_key_signs_with_the_kid_of_its_new_version(bench):
    key = bench.key("ed25519")
    bench.change_key(key["id"], "rotate")
    response = sign(bench, key, header={"typ": "at+jwt", "cty": "x", "mine": {"a": [1]}}).json
    assert (response["kid"], response["key_version"]) == (f"{key['id']}:2", 2)
    assert jwt.get_unverified_header(response["jwt"]) == {
        "typ": "at+jwt",
        "cty": "x",
        "mine": {"a": [1]},
        "alg": "EdDSA",
        "kid": f"{key['id']}:2",
    }
    bench.change_key(key["id"], "revoke")
    assert sign(bench, key).code == "key_not_active"


RESERVED = ["alg", "kid", "crit", "b64", "jwk", "jku", "zip", "enc", "x5c", "x5t#S256", "x5u"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        *(({"header": {name: "none"}}, "header") for name in RESERVED),
        ({"header": {"typ": 1}}, "header"),
        ({"header": {"cty": None}}, "header"),
        ({"header": {"mine": "x" * 4096}}, "header"),
        ({"header": []}, "header"),
        ({"claims": "sub"}, "claims"),
        ({"claims": {"sub": "x" * 65_536}}, "claims"),
        ({"signing_algorithm": "ecdsa-sha384"}, "signing_algorithm"),
        ({"fully_specified": 1}, "fully_specified"),
    ],
)
def test_a_bad_request_names_the_field(bench, fields, named):
    response = sign(bench, bench.key("ec-p256"), **fields)
    assert (response.status, set(response.json["errors"])) == (400, {named})


def test_keys_that_do_not_sign_and_other_algorithms_are_unsupported(bench, key):
    refused = [
        sign(bench, key),
        sign(bench, bench.key("hmac-sha256")),
        sign(bench, bench.key("ed25519"), signing_algorithm="ecdsa-sha256"),
        sign(bench, bench.key("ed448"), signing_algorithm="HS256"),
    ]
    assert {response.code for response in refused} == {"unsupported_algorithm"}


def test_the_log_has_the_size_and_not_the_claims(bench):
    key = bench.key("ed25519")
    sign(bench, key, claims={"sub": "secret subject"})
    [entry] = log_rows().filter(action="crypto.jwt.signed", object_id=key["id"])
    assert (entry.object_version, entry.size, json.loads(entry.meta)) == (1, 24, {"algorithm": "ed25519"})


def test_signing_messages_and_signing_tokens_are_separate_permissions(bench, developer):
    key = bench.key("ed25519")
    grant = {"principal_type": "user", "principal_id": str(developer.user.id), "operations": ["jwt"]}
    assert bench.persona.api.post(f"/api/v1/keys/{key['id']}/grants", grant).status == 201
    body = {"key_id": key["id"], "signing_algorithm": "ed25519", "message": b64(b"x")}
    assert developer.api.post("/api/v1/sign", body).code == "permission_denied"
    assert developer.api.post("/api/v1/jwt/sign", {"key_id": key["id"], "claims": {}}).status == 200


def test_the_event_loop_makes_no_slow_signature(bench):
    fast, slow = (bench.key(algorithm) for algorithm in ("ed25519", "ml-dsa-44"))
    bodies = [{"key_id": key["id"], "claims": CLAIMS | {"n": 0}} for key in (fast, slow)]
    responses = ask(bench, *[("jwt/sign", body) for body in bodies])
    assert [response and response[0] for response in responses] == [200, None]
