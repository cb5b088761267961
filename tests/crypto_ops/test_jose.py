"""JWKs and JWTs in both directions with other implementations: joserfc, PyJWT and jwcrypto."""

import base64
import json
from urllib.parse import urlencode

import jwt as pyjwt
import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey
from jwcrypto import jwe, jwk
from jwcrypto import jwt as jwcrypto_jwt

from tests.crypto_ops.test_fast_path_in_process import ask
from tests.personas import b64

# RFC 9864 has other names for EdDSA, which few libraries support yet.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")

CLAIMS = {"sub": "the canary", "exp": 4102444800}
KEYS = {
    "ed25519": (OKPKey, "Ed25519", "EdDSA"),
    "ed448": (OKPKey, "Ed448", "EdDSA"),
    "ec-p256": (ECKey, "P-256", "ES256"),
    "ec-p384": (ECKey, "P-384", "ES384"),
    "ec-p521": (ECKey, "P-521", "ES512"),
    "ec-secp256k1": (ECKey, "secp256k1", "ES256K"),
    "rsa-3072": (RSAKey, 3072, "PS256"),
}


def post(bench, path, **body):
    response = bench.persona.api.post(f"/api/v1/{path}", body)
    assert response.status in {200, 201}, response.json
    return response.json


def imported(bench, name, algorithm, key, *, private):
    members = key.as_dict(private=private)
    body = {"name": name, "algorithm": algorithm, "format": "jwk", "material": members}
    return post(bench, "keys/import", purpose="sign", **body)


@pytest.mark.parametrize("algorithm", KEYS)
def test_their_key_signs_here_and_they_verify_with_the_key_set(bench, algorithm):
    kind, size, alg = KEYS[algorithm]
    theirs = kind.generate_key(size)
    ours = imported(bench, "theirs", algorithm, theirs, private=True)
    mode = {"signing_algorithm": "rsa-pss-sha256"} if kind is RSAKey else {}
    token = post(bench, "jwt/sign", key_id=ours["id"], claims=CLAIMS, **mode)["jwt"]
    published = bench.persona.api.get(f"/api/v1/keys/{ours['id']}/jwks").json
    for key in (KeySet.import_key_set(published), theirs):
        decoded = jwt.decode(token, key, algorithms=[alg])
        assert (decoded.claims, decoded.header["alg"]) == (CLAIMS, alg)
    thumbprints = [kind.import_key(each).thumbprint() for each in published["keys"]]
    assert thumbprints == [theirs.thumbprint()]


@pytest.mark.parametrize("algorithm", KEYS)
def test_their_token_verifies_here_with_their_public_key(bench, algorithm):
    kind, size, alg = KEYS[algorithm]
    theirs = kind.generate_key(size)
    token = jwt.encode({"alg": alg}, CLAIMS, theirs, algorithms=[alg])
    ours = imported(bench, "theirs", algorithm, theirs, private=False)
    message, _, signature = token.rpartition(".")
    body = {"message": b64(message.encode()), "signature": signature_of(signature)}
    form = {"encoding": "raw"} if kind is ECKey else {}
    mode = "rsa-pss-sha256" if kind is RSAKey else ours["modes"][0]
    assert post(bench, "verify", key_id=ours["id"], signing_algorithm=mode, **body, **form)["valid"] is True


def signature_of(text):
    """Base64 of base64url."""
    return text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)


def test_their_mac_key_computes_here(bench):
    theirs = OctKey.generate_key(256)
    members = {name: value for name, value in theirs.as_dict(private=True).items() if name in {"kty", "k"}}
    body = {"name": "theirs", "algorithm": "hmac-sha256", "format": "jwk", "material": members}
    ours = post(bench, "keys/import", **body)
    token = jws.serialize_compact({"alg": "HS256"}, json.dumps(CLAIMS).encode(), theirs)
    message, _, signature = token.rpartition(".")
    body = {"message": b64(message.encode()), "mac": signature_of(signature)}
    assert post(bench, "mac/verify", key_id=ours["id"], **body)["valid"] is True


def key_set(bench, key, **query):
    response = bench.persona.api.get(f"/api/v1/keys/{key['id']}/jwks?{urlencode(query)}")
    assert response.status == 200, response.json
    return response.json


def by_pyjwt(token, keys):
    key = pyjwt.PyJWKSet.from_dict(keys)[pyjwt.get_unverified_header(token)["kid"]]
    return pyjwt.decode(token, key, algorithms=[key.algorithm_name])


def by_joserfc(token, keys):
    found = KeySet.import_key_set(keys)
    return jwt.decode(token, found, algorithms=[found.keys[0].alg]).claims


def by_jwcrypto(token, keys):
    found = jwk.JWKSet.from_json(json.dumps(keys))
    [alg] = {key["alg"] for key in found}
    return json.loads(jwcrypto_jwt.JWT(jwt=token, key=found, algs=[alg], expected_type="JWS").claims)


ALL = (by_pyjwt, by_joserfc, by_jwcrypto)


@pytest.mark.parametrize(
    ("algorithm", "verifiers"),
    [
        *((name, ALL) for name in KEYS),
        ("ml-dsa-44", (by_jwcrypto,)),
        ("ml-dsa-87", (by_jwcrypto,)),
    ],
)
def test_every_library_verifies_every_algorithm_with_its_key_set(bench, algorithm, verifiers):
    key = bench.key(algorithm, purpose="sign")
    bench.change_key(key["id"], "rotate")
    modes = key["modes"] if algorithm.startswith("rsa-") else key["modes"][:1]
    for mode in modes:
        token = post(bench, "jwt/sign", key_id=key["id"], claims=CLAIMS, signing_algorithm=mode)["jwt"]
        keys = key_set(bench, key, signing_algorithm=mode)
        assert {each["alg"] for each in keys["keys"]} == {pyjwt.get_unverified_header(token)["alg"]}
        assert [verify(token, keys) for verify in verifiers] == [CLAIMS] * len(verifiers)


@pytest.mark.parametrize(
    ("algorithm", "alg"), [("ed25519", "Ed25519"), ("ed448", "Ed448"), ("ec-p256", "ES256")]
)
def test_names_are_fully_specified_on_request(bench, algorithm, alg):
    key = bench.key(algorithm)
    body = {"key_id": key["id"], "claims": CLAIMS, "fully_specified": True}
    signed = post(bench, "jwt/sign", **body)
    [fast] = ask(bench, ("jwt/sign", body))
    assert fast[0] == 200
    keys = key_set(bench, key, fully_specified="true")
    assert keys["keys"][0]["alg"] == alg
    for token in (signed["jwt"], fast[1]["jwt"]):
        assert pyjwt.get_unverified_header(token)["alg"] == alg
        assert by_joserfc(token, keys) == by_jwcrypto(token, keys) == CLAIMS
    plain = post(bench, "jwt/sign", **body | {"fully_specified": False})["jwt"]
    assert pyjwt.get_unverified_header(plain)["alg"] == key_set(bench, key)["keys"][0]["alg"]


def test_a_jwk_has_an_alg_if_the_key_or_its_policy_leaves_one(bench):
    def alg(key, **query):
        jwk = bench.persona.api.get(f"/api/v1/keys/{key['id']}/public-key?{urlencode(query)}").json["jwk"]
        [in_set] = key_set(bench, key, **query)["keys"]
        assert jwk == in_set
        return jwk.get("alg")

    signing = bench.key("rsa-3072", purpose="sign", name="six")
    assert alg(signing) is None
    assert alg(signing, signing_algorithm="rsa-pkcs1-sha512") == "RS512"
    policy = {"name": "pss-only", "algorithm": "rsa-3072", "allowed_modes": ["rsa-pss-sha384"]}
    policy = post(bench, "policies", **policy)["id"]
    limited = bench.key("rsa-3072", purpose="sign", name="one", policy_id=policy)
    assert alg(limited) == "PS384"
    assert alg(limited, signing_algorithm="rsa-pkcs1-sha256") == "RS256"
    policy = {"name": "long-digests", "algorithm": "ec-p256", "allowed_modes": ["ecdsa-sha512"]}
    assert alg(bench.key("ec-p256", policy_id=post(bench, "policies", **policy)["id"])) == "ES256"
    assert alg(bench.key("rsa-3072", purpose="encrypt", name="inbox")) == "RSA-OAEP-256"
    assert alg(bench.key("ml-kem-768")) == "ML-KEM-768"
    for algorithm in ("x25519", "x25519-ml-kem-768"):
        assert alg(bench.key(algorithm)) is None


def test_a_choice_that_the_key_does_not_have_is_refused_with_its_own(bench):
    signing, inbox = bench.key("ec-p256"), bench.key("ml-kem-768")
    for key, query, field, part in (
        (signing, {"signing_algorithm": "ecdsa-sha384"}, "signing_algorithm", "one of: ecdsa-sha256."),
        (signing, {"signing_algorithm": "HS256"}, "signing_algorithm", "one of: ecdsa-sha256."),
        (inbox, {"signing_algorithm": "ed25519"}, "signing_algorithm", "Omit this field"),
        (signing, {"fully_specified": "yes"}, "fully_specified", "true or false"),
    ):
        for path in ("jwks", "public-key"):
            response = bench.persona.api.get(f"/api/v1/keys/{key['id']}/{path}?{urlencode(query)}")
            assert (response.status, list(response.json["errors"])) == (400, [field])
            assert part in response.json["errors"][field][0]


def test_a_message_of_jwcrypto_for_an_rsa_key_is_decrypted_here(bench):
    key = bench.key("rsa-3072", purpose="encrypt")
    [members] = key_set(bench, key)["keys"]
    header = json.dumps({"alg": members["alg"], "enc": "A256GCM"})
    message = jwe.JWE(b"the canary", protected=header, recipient=jwk.JWK(**members))
    sealed = signature_of(json.loads(message.serialize())["encrypted_key"])
    opened = post(bench, "decrypt", key_id=key["id"], algorithm="rsa-oaep-sha256", encrypted_data=sealed)
    assert len(base64.b64decode(opened["data"])) == 32
