"""JSON Web Keys whose members contradict the request, and any other members."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.crypto.algorithms import find_key_algorithm, find_key_algorithms
from kernel.crypto.encoding import encode_base64url
from kernel.errors import Invalid
from keys.transport.imported_jwk import from_jwk
from tests.foreign_keys import ALGORITHMS, jwk_of, new_key


@pytest.mark.parametrize(
    ("algorithm", "members", "reason"),
    [
        ("ec-p256:sign", {"use": "enc"}, "The use of the JWK is enc"),
        ("ec-p256:agree", {"use": "sig"}, "The use of the JWK is sig"),
        ("ml-kem-768", {"use": "sig"}, "The use of the JWK is sig"),
        ("ed25519", {"key_ops": ["deriveBits"]}, "key_ops of the JWK are deriveBits"),
        ("ec-p256:agree", {"key_ops": ["sign", "verify"]}, "key_ops of the JWK are sign, verify"),
        ("ed25519", {"key_ops": "sign"}, "list of strings"),
        ("ed25519", {"key_ops": [["sign"]]}, "list of strings"),
        ("ed25519", {"use": 1}, "The member use must be a string"),
        ("ed25519", {"alg": ["EdDSA"]}, "The member alg must be a string"),
        ("ed25519", {"alg": "Ed448"}, "one of: EdDSA, Ed25519."),
        ("ed25519", {"alg": "unknown"}, "one of: EdDSA, Ed25519."),
        ("ec-p256:sign", {"alg": "ECDH-ES"}, "one of: ES256."),
        ("ec-p256:agree", {"alg": "ES256"}, "one of: ECDH-ES, "),
        ("ml-dsa-44", {"alg": "ML-DSA-65"}, "one of: ML-DSA-44."),
        ("rsa-2048:encrypt", {"alg": "RSA-OAEP"}, "one of: RSA-OAEP-256."),
        ("rsa-2048:sign", {"oth": []}, "more than two primes"),
        ("hmac-sha256", {"alg": "HS512"}, "one of: HS256."),
        ("aes-256", {"alg": "HS256"}, "has the purpose encrypt"),
        ("aes-256", {"use": "sig"}, "The use of the JWK is sig"),
    ],
)
def test_a_jwk_that_contradicts_the_request_is_refused_with_the_reason(algorithm, members, reason):
    name, _, purpose = algorithm.partition(":")
    kind = find_key_algorithm(name, purpose or None)
    with pytest.raises(Invalid) as refusal:
        from_jwk(kind, jwk_for(name) | members)
    assert list(refusal.value.fields) == ["material"]
    assert reason in refusal.value.detail


def jwk_for(name):
    if name in ALGORITHMS:
        return jwk_of(name, new_key(name))
    return {"kty": "oct", "k": encode_base64url(bytes(find_key_algorithm(name).key_size // 8))}


@pytest.mark.parametrize(
    ("algorithm", "members"),
    [
        ("ed25519", {"alg": "EdDSA", "use": "sig", "key_ops": ["sign"]}),
        ("ed25519", {"alg": "Ed25519"}),
        ("ed448", {"alg": "Ed448", "use": "of another standard", "key_ops": ["other"]}),
        ("ec-p256:agree", {"alg": "ECDH-ES+A256KW", "use": "enc", "key_ops": ["deriveBits"]}),
        ("rsa-2048:encrypt", {"alg": "RSA-OAEP-256", "key_ops": ["decrypt", "unwrapKey"]}),
        ("rsa-2048:sign", {"alg": "RS512"}),
        ("ml-kem-768", {"alg": "ML-KEM-768", "use": "enc", "key_ops": []}),
        ("hmac-sha512", {"alg": "HS512", "use": "sig", "key_ops": ["sign", "verify"]}),
        ("aes-256", {"alg": "A256GCM", "use": "enc", "key_ops": ["encrypt"]}),
    ],
)
def test_a_jwk_for_the_same_purpose_is_read(algorithm, members):
    name, _, purpose = algorithm.partition(":")
    assert from_jwk(find_key_algorithm(name, purpose or None), jwk_for(name) | members)[0]


@given(
    st.sampled_from(["ed25519", "ec-p256", "ml-kem-768", "aes-256"]),
    st.dictionaries(
        st.sampled_from(
            ["kty", "crv", "x", "y", "d", "k", "pub", "priv", "use", "key_ops", "alg", "oth", "n", "e"]
        ),
        st.none()
        | st.integers()
        | st.text(max_size=9)
        | st.lists(st.text(max_size=9), max_size=2)
        | st.just({}),
        min_size=1,
        max_size=4,
    ),
)
def test_any_members_of_a_jwk_are_read_or_refused(name, members):
    kind = find_key_algorithms(name)[0]
    try:
        material, _ = from_jwk(kind, jwk_for(name) | members)
    except Invalid:
        return
    assert material is not None
