"""Published vectors through the import and the operations of the REST interface.

The whole files with ``bin/test --all``, otherwise one vector of each kind. docs/algorithms.md has their numbers.
Vectors of authenticated encryption, key wrapping and HPKE run against the primitives in tests/kernel/crypto: the
product derives a key of its own for each message and binds more data to it.
"""

from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest

from tests.crypto_ops.vectors import encryption, signatures
from tests.crypto_ops.vectors.vector import Expected, Vector

FAMILIES = {
    "HMAC, RFC 2202, 2286, 4231": encryption.hmac,
    "Ed25519, RFC 8032": signatures.ed25519,
    "Ed448, RFC 8032": signatures.ed448,
    "ECDSA, FIPS 186-3 SigGen": signatures.ecdsa_signatures,
    "ECDSA, FIPS 186-3 SigVer": signatures.ecdsa_verifications,
    "ECDSA of secp256k1": signatures.ecdsa_of_secp256k1,
    "ECDSA, RFC 6979": signatures.deterministic_ecdsa,
    "RSA PKCS #1 v1.5, FIPS 186-3 SigGen": signatures.rsa_pkcs1_signatures,
    "RSA PKCS #1 v1.5, FIPS 186-3 SigVer": signatures.rsa_pkcs1_verifications,
    "RSA-PSS, FIPS 186-3 SigGen": signatures.rsa_pss_signatures,
    "RSA-PSS, FIPS 186-3 SigVer": signatures.rsa_pss_verifications,
    "ML-DSA-44, -65 and -87, NIST": signatures.ml_dsa,
    "RSA-OAEP with SHA-256": encryption.rsa_oaep,
    "ML-KEM, NIST": encryption.ml_kem,
    "X25519, RFC 7748": encryption.x25519_agreement,
    "ECDH, NIST validity tests, RFC 7027": encryption.ecdh,
}
PAGE = Path(__file__).parents[3] / "docs/algorithms.md"


# Vectors do not depend on the database, so that one half of the suite runs all of them.
@pytest.fixture(params=["some", pytest.param("all", marks=[pytest.mark.sweep, pytest.mark.postgresql])])
def is_complete(request):
    return request.param == "all"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_published_vector_has_its_published_result(bench, is_complete, family):
    imports = {}
    vectors = [case for case in FAMILIES[family]() if isinstance(case, Vector)]
    assert vectors
    for vector in vectors if is_complete else {each.kind: each for each in vectors}.values():
        if (identity := vector.key.identity) not in imports:
            body = vector.key.body(f"vector-{uuid4().hex[:12]}")
            imports[identity] = bench.persona.api.post("/api/v1/keys/import", body)
        assert result_of(bench, vector, imports[identity]) is vector.expected, vector


def result_of(bench, vector, imported):
    if imported.status == 400:
        return Expected.NOT_IMPORTED
    assert imported.status == 201, imported.json
    key_id = imported.json["id"]
    if vector.operation == "public-key":
        found = bench.persona.api.get(f"/api/v1/keys/{key_id}/public-key").json["jwk"]
    else:
        response = bench.persona.api.post(f"/api/v1/{vector.operation}", {"key_id": key_id} | vector.body)
        if response.status == 400:
            return Expected.REFUSED
        assert response.status == 200, response.json
        found = response.json
    return Expected.RESPONSE if found.items() >= vector.response.items() else Expected.ANOTHER_RESPONSE


@pytest.mark.sweep
def test_the_page_lists_the_vectors_of_each_family():
    text = PAGE.read_text()
    missing = [row for row in map(row_of, FAMILIES) if row not in text]
    assert not missing, "\n".join(missing)


def row_of(family):
    cases = list(FAMILIES[family]())
    reasons = Counter(case for case in cases if isinstance(case, str))
    refused = "; ".join(f"{count:,}: {reason}" for reason, count in reasons.items())
    return f"| {family} | {len(cases) - reasons.total():,} | {refused} |"
