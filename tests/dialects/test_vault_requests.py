"""Requests that break the rules of HTTP clients, JSON or paths get a refusal, and never an error of the server."""

import json

import pytest
from django.conf import settings

from tests.dialects.conftest import TEXT, Vault, vault_of
from tests.personas import b64, make_persona

PLAIN = {"plaintext": b64(TEXT)}
UNREADABLE = "failed to decode JSON input"


@pytest.mark.parametrize(
    "body",
    [
        b'{"plaintext":"\xff"}',
        b'{"plaintext":"\\ud800"}',
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b"[" * 100_000,
        b'{"plaintext":"","key_version":1e400}',
        b'{"plaintext":"","key_version":' + b"9" * 5000 + b"}",
        b'{"plaintext":""} x',
        b"\xef\xbb\xbf{}",
        b"[]",
        b"true",
    ],
)
def test_a_body_that_is_no_json_object_is_refused(vault, body):
    assert vault.error("encrypt/absent", body).startswith(UNREADABLE)


@pytest.mark.parametrize("body", [b"", b" \n", b"null", b"{}"])
def test_a_body_may_be_empty(vault, body):
    assert vault.post("random", body).status == 200


def test_the_last_of_two_equal_members_counts(vault, rotated):
    rotated()
    text = vault.post("encrypt/orders", b'{"plaintext":"?","plaintext":"eA=="}').json["data"]["ciphertext"]
    assert vault.data("decrypt/orders", {"ciphertext": text}) == {"plaintext": "eA=="}


@pytest.mark.parametrize("operation", ["encrypt", "decrypt", "rewrap", "sign", "verify", "hmac"])
def test_a_batch_has_one_to_a_thousand_items(vault, operation):
    item = {"plaintext": "", "ciphertext": "vault:v1:", "input": "", "signature": "vault:v1:"}
    responses = {
        size: vault.error(f"{operation}/absent", {"batch_input": [item] * size}) for size in (0, 1000, 1001)
    }
    assert responses[0] == "missing batch input to process"
    assert responses[1000].endswith("key not found")
    assert responses[1001] == "a batch has at most 1000 items"


def test_a_body_over_the_limit_is_refused(vault):
    response = vault.post("encrypt/absent", b'{"plaintext":"' + b"A" * settings.CC_MAX_BODY_BYTES + b'"}')
    assert (response.status, list(response.json)) == (413, ["errors"])


@pytest.mark.parametrize(
    "name", ["%00", "a%00b", "%ff", "..", "%2e%2e", "orders%0a", "-a", "a-", "a%20b", "a%2fb", "a/b", ""]
)
@pytest.mark.parametrize("path", ["keys/{}", "encrypt/{}", "sign/{}/sha2-256", "keys/{}/config"])
def test_other_names_are_no_path(vault, path, name):
    for method in ("GET", "POST", "DELETE"):
        response = vault.send(method, f"transit/{path.format(name)}", PLAIN)
        assert response.status in {404, 405} or (path, name) == ("keys/{}", ""), response.json


@pytest.mark.parametrize("name", ["a" * 256, "\u043a\u043b\u044e\u0447", "\u0663"])
def test_a_name_has_255_ascii_characters(vault, name):
    assert vault.error(f"keys/{name}").startswith("A name has 1 to 255")
    assert vault.error(f"encrypt/{name}", PLAIN) == "encryption key not found"
    assert vault.send("GET", f"transit/keys/{name}").status == 404
    assert vault.data("keys/" + "a" * 255)["name"] == "a" * 255


def test_names_differ_in_case(vault):
    vault.data("keys/Orders")
    assert vault.error("encrypt/orders", PLAIN) == "encryption key not found"


@pytest.mark.parametrize("value", [[], {}, True, 1.5, "x", 2**70, -1, None, ""])
def test_members_of_other_types_are_refused_or_ignored(vault, rotated, value):
    rotated()
    members = "plaintext", "context", "associated_data", "key_version", "partial_failure_response_code"
    bodies = [{**PLAIN, member: value} for member in members]
    batches = [{"batch_input": [body]} for body in bodies] + [
        {"batch_input": value},
        {"batch_input": [value]},
    ]
    for body in [*bodies, *batches]:
        assert vault.post("encrypt/orders", body).status in {200, 400}, body
    for path, member in {
        "keys/other": "auto_rotate_period",
        "keys/orders/config": "min_decryption_version",
        "datakey/wrapped/orders": "bits",
        "random": "bytes",
        "hash": "input",
        "sign/orders": "salt_length",
        "hmac/orders": "input",
    }.items():
        assert vault.post(path, {member: value}).status in {200, 400}, path
    assert vault.send("POST", "sys/capabilities-self", {"paths": value}).status in {200, 400}


@pytest.mark.parametrize("period", ["999999999d999999999d", "9" * 400, "3650000d", 10**30, -1, "1.5h", "59m"])
def test_a_rotation_period_is_whole_days_within_ten_years(vault, period):
    assert vault.post("keys/orders", {"auto_rotate_period": period}).status == 400
    assert vault.data("keys/orders", {"auto_rotate_period": "23h60m"})["auto_rotate_period"] == 86_400


@pytest.mark.parametrize("limit", ["9" * 5000, "\u0663", "-1", "x", "0"])
def test_an_odd_limit_of_a_list_is_none(vault, limit):
    vault.data("keys/a")
    vault.data("keys/b")
    listed = [
        vault.send("GET", f"transit/keys?list=true&limit={each}").json["data"]["keys"] for each in (limit, 1)
    ]
    assert listed == [["a", "b"], ["a"]]


def test_either_header_has_the_token_but_not_both(vault, rotated):
    rotated()
    bearer = {"Authorization": f"Bearer {vault.token}"}
    assert Vault("").post("encrypt/orders", PLAIN, **bearer).status == 200
    assert vault.post("encrypt/orders", PLAIN).status == 200
    for headers in (bearer, {"Authorization": "Bearer odd"}, {"Authorization": ""}):
        refused = vault.post("encrypt/orders", PLAIN, **headers)
        assert (refused.status, "not both" in refused.json["errors"][0]) == (400, True)


@pytest.mark.parametrize("ttl", ["60", "1h", "odd", "00", " "])
def test_a_response_that_should_be_wrapped_is_refused(vault, rotated, ttl):
    rotated()
    refused = vault.post("datakey/plaintext/orders", {}, X_Vault_Wrap_TTL=ttl)
    assert (refused.status, "data" in refused.json) == (400, False)


def test_the_root_namespace_is_the_only_one(vault, rotated):
    rotated()
    found = {
        name: vault.post("encrypt/orders", PLAIN, X_Vault_Namespace=name)
        for name in ("", "root/", "team", "root/a")
    }
    assert {name: response.status for name, response in found.items()} == {
        "": 200,
        "root/": 200,
        "team": 404,
        "root/a": 404,
    }
    assert found["team"].json == {"errors": ["namespace not found"]}


@pytest.mark.parametrize("code", [-1, 99, 100, 199, 204, 205, 304, 600, 10**20])
def test_a_code_for_a_partial_failure_is_one_of_a_response_with_a_body(vault, rotated, code):
    rotated()
    batch = {"batch_input": [PLAIN, {"plaintext": "?"}]}
    assert vault.post("encrypt/orders", {**batch, "partial_failure_response_code": code}).status == 400
    for accepted in (200, 207, 599):
        assert (
            vault.post("encrypt/orders", {**batch, "partial_failure_response_code": accepted}).status
            == accepted
        )
    failed = {"batch_input": [{"plaintext": "?"}], "partial_failure_response_code": 200}
    assert vault.post("encrypt/orders", failed).status == 400


def test_an_error_has_one_shape_and_is_not_kept(vault):
    for response in (vault.post("encrypt/absent", b"{"), vault.send("GET", "odd"), Vault("").post("random")):
        assert list(response.json) == ["errors"]
        assert (response.headers["Content-Type"], response.headers["Cache-Control"]) == (
            "application/json",
            "no-store",
        )
        assert json.loads(response.raw.content)
        assert response.raw.content.endswith(b"\n")


@pytest.mark.parametrize("kind", ["ecdsa-p256", "ed25519"])
def test_no_hash_is_for_rsa_keys_only(vault, rotated, kind):
    rotated("signing", versions=1, type=kind)
    unhashed = {"hash_algorithm": "none", "prehashed": True, "signature_algorithm": "pkcs1v15"}
    response = vault.post("sign/signing", {"input": b64(bytes(32)), **unhashed})
    assert response.status == (400 if kind == "ecdsa-p256" else 200), response.json


def test_the_longest_period_is_no_fault(vault):
    for period in ("999999999d", "999999999d1d", "999999999d999999999d"):
        assert vault.post("keys/orders", {"auto_rotate_period": period}).status == 400


def test_a_key_of_another_owner_has_a_warning(vault, rotated):
    rotated("orders", versions=1)
    assert vault.post("keys/orders").json["warnings"] is None
    other = vault_of(make_persona("grace", "admin"))
    assert "another user or service account owns it" in str(other.post("keys/orders").json["warnings"])


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("transit/random/65536", {}, 200),
        ("transit/random/65537", {}, 400),
        ("transit/random/1", {}, 200),
        ("sys/capabilities-self", {"paths": ["transit/encrypt/x"] * 100}, 200),
        ("sys/capabilities-self", {"paths": ["transit/encrypt/x"] * 101}, 400),
    ],
)
def test_requests_have_limits(vault, path, body, status):
    assert vault.send("POST", path, body).status == status
