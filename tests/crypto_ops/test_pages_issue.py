"""*Try it* generates data keys, derives keys, and signs JWTs and certificate signing requests, as the API does."""

import json

import jwt
import pytest
from cryptography import x509

from tests.browsing import plain, signed_in
from tests.crypto_ops.test_pages_try import encrypted, results, run
from tests.log_entries import log_rows
from tests.personas import b64


@pytest.fixture
def browser(bench):
    return signed_in(bench.persona)


@pytest.fixture
def path(key):
    return f"/keys/{key['name']}/try/"


@pytest.fixture
def signing_path(bench):
    return f"/keys/{bench.key('ec-p256', name='releases')['name']}/try/"


def records(action):
    rows = log_rows().filter(action=action).order_by("id")
    return [(row.source, row.outcome, row.object_version) for row in rows]


def test_a_data_key_opens_with_decrypt_and_its_plaintext_is_shown_on_request_only(browser, path, bench):
    hidden = run(browser, path, "data_key", "", contents="128")
    assert results(hidden).keys() == {"Ciphertext"}
    response = run(browser, path, "data_key", "", contents="128", plaintext="on", aad="row 7")
    found = results(response)
    opened = bench.decrypt(ciphertext=found["Ciphertext"], aad=b64(b"row 7"))
    assert (opened.json["data"], len(opened.json["data"])) == (found["Plaintext"], 24)
    assert "/api/v1/data-keys" in plain(response)
    assert records("crypto.data_key.generated") == [("console", "ok", 1)] * 2
    facts = [json.loads(row.meta) for row in log_rows().filter(action="crypto.data_key.generated")]
    assert sorted("plaintext" in each for each in facts) == [False, True]


def test_a_key_pair_has_its_public_key(browser, path):
    assert "Public key" in plain(run(browser, path, "data_key", "", contents="ed25519"))


def test_a_derived_key_is_that_of_the_api(browser, path, bench, key):
    response = run(browser, path, "derive", "", context="tenant 7", bits=128)
    body = {"key_id": key["id"], "context": b64(b"tenant 7"), "bits": 128}
    assert results(response)["Base64"] == bench.persona.api.post("/api/v1/derive", body).json["derived"]
    assert records("crypto.key.derived") == [("console", "ok", 1), ("api", "ok", 1)]


def test_a_jwt_has_the_claims_as_typed(browser, signing_path, bench):
    response = run(browser, signing_path, "jwt", "", claims='{"sub": "build 7", "n": 1.0}')
    token = results(response)["JWT"]
    assert jwt.decode(token, options={"verify_signature": False}) == {"sub": "build 7", "n": 1.0}
    assert records("crypto.jwt.signed") == [("console", "ok", 1)]


def test_a_request_for_a_certificate_has_its_names(browser, signing_path):
    response = run(browser, signing_path, "csr", "", subject="CN=example.org", san="a.example.org, 10.0.0.1")
    found = x509.load_pem_x509_csr(results(response)["CSR"].encode())
    others = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert (found.subject.rfc4514_string(), len(others)) == ("CN=example.org", 2)
    assert "/csr" in plain(response)
    assert records("crypto.csr.signed") == [("console", "ok", 1)]


@pytest.mark.parametrize(
    ("operation", "fields", "words"),
    [
        ("derive", {"context": ""}, "Context: Must be 1 to 1024 bytes."),
        ("derive", {"context": "x", "bits": "129"}, "Size in bits: Must be a multiple of 8"),
        ("derive", {"context": "x", "key_version": "2"}, "Version: The key has no version with this number."),
        ("data_key", {"contents": "127"}, "Data key: Select a valid choice."),
        ("jwt", {"claims": "[1]"}, "Claims: Enter a JSON object"),
        ("jwt", {"claims": '{"n": 1e400}'}, "Claims: A number is too large."),
        ("jwt", {"claims": "{}", "mode": "ecdsa-sha384"}, "Signing algorithm: A JWT of this key needs"),
        ("csr", {"subject": "example.org"}, "Subject: Expected an RFC 4514 name"),
        ("csr", {"subject": ""}, "Subject: "),
        ("csr", {"subject": "CN=x", "san": "a" * 254}, "Other names (optional): "),
    ],
)
def test_the_page_names_the_field(browser, path, signing_path, operation, fields, words):
    where = signing_path if operation in {"jwt", "csr"} else path
    response = run(browser, where, operation, "", **fields)
    assert (response.status_code, words in plain(response)) == (422, True), plain(response)


def test_no_page_shows_a_derived_key_or_a_plaintext_while_decryption_is_switched_off(browser, path, settings):
    settings.CC_CONSOLE_DECRYPT = False
    refused = run(browser, path, "derive", "", context="x")
    assert (refused.status_code, results(refused)) == (422, {})
    shown = results(run(browser, path, "data_key", "", plaintext="on"))
    assert shown.keys() == {"Ciphertext"}
    assert encrypted(browser, path, "hello")
