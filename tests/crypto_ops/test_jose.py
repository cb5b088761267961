"""JWKs and JWTs in both directions with joserfc, an independent implementation."""

import json

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

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
    answer = bench.persona.api.post(f"/api/v1/{path}", body)
    assert answer.status in {200, 201}, answer.json
    return answer.json


def imported(bench, name, algorithm, key, *, private):
    members = key.as_dict(private=private)
    material = {name: value for name, value in members.items() if name not in {"kid", "use", "alg"}}
    body = {"name": name, "algorithm": algorithm, "format": "jwk", "material": material}
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
