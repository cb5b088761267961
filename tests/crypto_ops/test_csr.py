"""Certificate signing requests and JWK Sets over the REST interface."""

import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.log_entries import log_rows

SUBJECT = "CN=www.example.org,O=Example"


@pytest.fixture
def signing_key(bench):
    return bench.key("ec-p256")


def request(bench, key, **fields):
    body = {"subject": SUBJECT, **fields}
    return bench.persona.api.post(f"/api/v1/keys/{key['id']}/csr", body)


def test_a_request_is_for_the_primary_version_and_its_names(bench, signing_key):
    bench.change_key(signing_key["id"], "rotate")
    response = request(bench, signing_key, san=["www.example.org"], signing_algorithm="ecdsa-sha384").json
    found = x509.load_pem_x509_csr(response.pop("pem").encode())
    assert response == {"signing_algorithm": "ecdsa-sha384", "key_id": signing_key["id"], "key_version": 2}
    public = bench.persona.api.get(f"/api/v1/keys/{signing_key['id']}/public-key").json
    assert found.public_key() == load_pem_public_key(public["pem"].encode())
    assert (found.is_signature_valid, found.subject.rfc4514_string()) == (True, SUBJECT)


def test_characters_that_an_attribute_cannot_have_are_refused(bench, signing_key):
    response = request(bench, signing_key, subject="CN=www.example.org,C=é")
    assert (response.status, response.json["errors"].keys()) == (400, {"subject"})


def test_the_log_has_the_subject(bench, signing_key):
    request(bench, signing_key)
    [entry] = log_rows().filter(action="crypto.csr.signed", object_id=signing_key["id"])
    assert (entry.object_version, json.loads(entry.meta)) == (
        1,
        {"algorithm": "ecdsa-sha256", "subject": SUBJECT},
    )


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"subject": "www.example.org"}, "subject"),
        ({"subject": "CN=a\nb"}, "subject"),
        ({"subject": "CN=" + "a" * 500}, "subject"),
        ({"san": ["a b"]}, "san"),
        ({"san": "www.example.org"}, "san"),
        ({"san": ["a"] * 101}, "san"),
    ],
)
def test_a_bad_request_names_the_field(bench, signing_key, fields, named):
    response = request(bench, signing_key, **fields)
    assert (response.status, set(response.json["errors"])) == (400, {named})


def test_only_an_active_key_that_signs_requests_certificates(bench, key, signing_key):
    assert request(bench, key).code == "unsupported_algorithm"
    assert request(bench, bench.key("hmac-sha256")).code == "unsupported_algorithm"
    assert request(bench, signing_key, signing_algorithm="ed25519").code == "unsupported_algorithm"
    bench.change_key(signing_key["id"], "revoke")
    assert request(bench, signing_key).code == "key_not_active"


def key_set(bench, key):
    return bench.persona.api.get(f"/api/v1/keys/{key['id']}/jwks")


def test_a_key_set_has_the_versions_that_may_verify(bench, signing_key):
    for _ in range(2):
        bench.change_key(signing_key["id"], "rotate")
    path = f"/api/v1/keys/{signing_key['id']}/public-key"
    jwks = [bench.persona.api.get(f"{path}?version={number}").json["jwk"] for number in (3, 2, 1)]
    assert key_set(bench, signing_key).json == {"keys": jwks}
    bench.change_key(signing_key["id"], "versions/2/disable")
    assert key_set(bench, signing_key).json == {"keys": [jwks[0], jwks[2]]}
    bench.change_key(signing_key["id"], "revoke")
    assert key_set(bench, signing_key).json == {"keys": [jwks[0], jwks[2]]}
    bench.change_key(signing_key["id"], "revoke", compromised=True)
    assert key_set(bench, signing_key).json == {"keys": []}


def test_every_asymmetric_key_has_a_key_set_and_no_other(bench, key, stranger):
    encrypting = bench.key("x25519-ml-kem-768")
    [jwk] = key_set(bench, encrypting).json["keys"]
    assert (jwk["use"], jwk["kid"]) == ("enc", f"{encrypting['id']}:1")
    assert [key_set(bench, each).status for each in (key, bench.key("hmac-sha256"))] == [404, 404]
    assert stranger.api.get(f"/api/v1/keys/{encrypting['id']}/jwks").status == 404
