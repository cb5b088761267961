"""Requests, responses and errors of both clients, against responses of a server in memory."""

import asyncio
import pickle

import httpx
import pytest
from client_responses import KEY, LOST, PROBLEM, URL, b64

from ciphercanary_client import (
    ApiError,
    AuthenticationFailed,
    CiphertextRefused,
    Conflict,
    ConnectionFailed,
    DecryptionFailed,
    Error,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    Refused,
    ServerFailed,
    Signature,
    Throttled,
    Unavailable,
)
from ciphercanary_client.errors import error_of

# --- messages


def test_the_default_mode_of_a_key_is_read_once(client, server):
    server.will_respond((200, KEY), (200, {"ciphertext": "cc1.A"}), (200, {"ciphertext": "cc1.B"}))
    assert [client.encrypt("name:orders", b"hello", b"aad"), client.encrypt("name:orders", b"")] == [
        "cc1.A",
        "cc1.B",
    ]
    assert server.bodies == [
        {"key_id": "name:orders", "algorithm": "aes-256-gcm", "data": b64(b"hello"), "aad": b64(b"aad")},
        {"key_id": "name:orders", "algorithm": "aes-256-gcm", "data": ""},
    ]


def test_a_signature_brings_its_mode_and_version_to_the_verification(client, server):
    signed = {"signature": b64(b"sig"), "signing_algorithm": "ed25519", "key_id": KEY["id"], "key_version": 3}
    server.will_respond((200, signed), (200, {"valid": True}), (200, {"valid": False}))
    signature = client.sign("name:releases", b"build 7", "ed25519")
    assert (signature, signature.mode, signature.key_id, signature.key_version) == (
        b"sig",
        "ed25519",
        KEY["id"],
        3,
    )
    assert client.verify("name:releases", b"build 7", signature)
    assert not client.verify("name:releases", b"build 7", b"sig", "ed25519")
    assert server.bodies[1]["key_version"] == 3
    assert "key_version" not in server.bodies[2]


def test_a_mac_is_computed_and_verified(client, server):
    response = {"mac": b64(b"mac"), "algorithm": "hmac-sha256", "key_id": KEY["id"], "key_version": 1}
    server.will_respond((200, response), (200, {"valid": True}))
    mac = client.mac("name:webhooks", b"m")
    assert isinstance(mac, Signature)
    assert client.verify_mac("name:webhooks", b"m", mac)
    assert server.bodies[1] == {
        "key_id": "name:webhooks",
        "message": b64(b"m"),
        "mac": b64(b"mac"),
        "key_version": 1,
    }


def test_data_keys_come_with_and_without_plaintext_and_as_pairs(client, server):
    made = {"ciphertext": "cc1.A", "algorithm": "aes-256-gcm", "key_id": KEY["id"], "key_version": 1}
    server.will_respond(
        (200, {**made, "plaintext": b64(bytes(32)), "bits": 256}),
        (200, {**made, "bits": 512}),
        (200, {**made, "plaintext": b64(b"private"), "public_key": b64(b"public")}),
    )
    assert client.data_key("name:orders").plaintext == bytes(32)
    assert client.data_key("name:orders", bits=512, plaintext=False).plaintext is None
    assert client.data_key("name:orders", key_pair="ed25519").public_key == b"public"
    assert server.bodies == [
        {"key_id": "name:orders"},
        {"key_id": "name:orders", "bits": 512, "plaintext": False},
        {"key_id": "name:orders", "key_pair": "ed25519"},
    ]


# --- keys


def test_keys_are_read_page_by_page(client, server):
    server.will_respond((200, {"results": [KEY, KEY], "next": "/x"}), (200, {"results": [KEY], "next": None}))
    assert [key.name for key in client.keys(status="active")] == ["orders"] * 3
    assert [dict(request.url.params)["page"] for request in server.requests] == ["1", "2"]


@pytest.mark.parametrize("key", ["", "../users", "name:a/b", "orders?x", "name:", "orders"])
def test_a_reference_cannot_change_the_path(client, key):
    with pytest.raises(ValueError, match="named by its id"):
        client.key(key)


def test_a_creation_is_repeated_with_its_idempotency_key(client, server):
    server.will_respond(LOST, (409, {"code": "request_in_progress"}, {"Retry-After": "0"}), (201, KEY))
    assert client.create_key("orders", tags=["a"]).primary_version == 2
    [key] = {request.headers["idempotency-key"] for request in server.requests}
    assert len(server.requests) == 3
    server.will_respond((201, {"id": "1", "new_key_id": KEY["id"], "old_version": 1, "new_version": 2}))
    assert client.rotate("name:orders", "scheduled", expected_version=1).new_version == 2
    assert server.requests[-1].headers["idempotency-key"] != key


# --- errors and retries


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_request", InvalidRequest),
        (400, "decryption_failed", CiphertextRefused),
        (400, "malformed_ciphertext", DecryptionFailed),
        (401, "token_expired", AuthenticationFailed),
        (403, "permission_denied", PermissionDenied),
        (404, "not_found", NotFound),
        (409, "key_not_active", Conflict),
        (412, "version_conflict", Conflict),
        (413, "request_too_large", InvalidRequest),
        (422, "policy_violated", Refused),
        (429, "throttled", Throttled),
        (500, "internal", ServerFailed),
        (503, "integrity_failed", Unavailable),
    ],
)
def test_an_error_has_the_class_of_its_status_and_the_members_of_the_problem(
    client, server, status, code, kind
):
    members = {"code": code, "detail": "d", "request_id": "r", "errors": {"data": ["x"]}, "rule": "grant"}
    server.will_respond((status, members, {"Retry-After": "900"}))
    with pytest.raises(kind) as raised:
        client.decrypt("cc1.secret-ciphertext", b"secret-aad")
    error = raised.value
    assert (error.status, error.code, error.detail, error.request_id) == (status, code, "d", "r")
    assert (error.errors, error.retry_after, error.members["rule"]) == ({"data": ["x"]}, 900, "grant")
    assert str(error) == f"d ({status} {code}, request r)"
    assert "secret" not in repr(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - our own bytes


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"code": 7, "detail": null, "errors": 1}'])
def test_an_error_of_another_server_is_an_error_of_the_api_too(content):
    error = error_of(502, {"content-type": "application/problem+json"}, content)
    assert isinstance(error, Unavailable)
    assert (error.code, error.errors) == ("http_502", {})


@pytest.mark.parametrize(
    "response",
    [
        "<html>",
        (200, {}),
        (200, []),
        (200, {"ciphertext": None, "data": 7}),
        (204, None),
    ],
)
def test_a_success_of_another_server_is_an_error(client, server, response):
    server.will_respond(response)
    with pytest.raises(ApiError) as raised:
        client.decrypt("cc1.AAAA")
    assert raised.value.code == "unexpected_answer"


def test_an_operation_is_repeated_until_it_succeeds(client, server):
    server.will_respond(
        (503, PROBLEM), (429, PROBLEM), LOST, httpx.ConnectError("refused"), (200, {"data": b64(b"m")})
    )
    assert client.decrypt("cc1.AAAA") == b"m"


def test_no_failure_keeps_the_request_or_the_response(client, server, make_async_client, paths):
    async def decrypt_later():
        async with make_async_client() as other:
            await other.decrypt("cc1.AAAA")

    async def transfer_later():
        async with make_async_client() as other:
            await other.encrypt_file("name:orders", *paths)

    ways = (
        lambda: client.decrypt("cc1.AAAA"),
        lambda: client.encrypt_file("name:orders", *paths),
        lambda: asyncio.run(decrypt_later()),
        lambda: asyncio.run(transfer_later()),
    )
    for send in ways:
        server.will_respond(*[LOST] * 6)
        with pytest.raises(ConnectionFailed) as raised:
            send()
        assert (raised.value.__context__, raised.value.__cause__) == (None, None)
    server.will_respond("<html>")
    with pytest.raises(ApiError) as refused:
        client.decrypt("cc1.AAAA")
    assert refused.value.__context__ is None


def test_the_last_error_is_raised(client, server):
    server.will_respond(*[(503, PROBLEM)] * 6)
    with pytest.raises(Unavailable):
        client.decrypt("cc1.AAAA")
    assert not server.responses


def test_a_call_that_may_change_something_is_not_repeated_after_a_lost_connection(client, server):
    server.will_respond(LOST)
    with pytest.raises(ConnectionFailed, match=f"No response from {URL}: reset"):
        client.call("POST", "/api/v1/users", {"username": "mira"})
    server.will_respond(LOST, (200, {}), LOST, (201, {}))
    client.call("GET", "/api/v1/users", query={"page": "2"})
    client.call("POST", "/api/v1/users", {"username": "mira"}, idempotency_key="one")
    assert server.requests[-1].headers["idempotency-key"] == '"one"'


@pytest.mark.parametrize("path", ["https://elsewhere.example/", "//elsewhere.example/", "api/v1/keys", ""])
def test_no_path_sends_the_token_elsewhere(client, path):
    for send in (client.text, lambda path: client.call("GET", path)):
        with pytest.raises(ValueError, match="one slash"):
            send(path)


@pytest.mark.parametrize("key", ['a"b', "a\\b", "a\nb", "ü", "x" * 256])
def test_an_idempotency_key_fits_its_header(client, key):
    with pytest.raises(ValueError, match="printable ASCII"):
        client.call("POST", "/api/v1/users", {}, idempotency_key=key)


def test_a_key_without_a_mode_cannot_encrypt(client, server):
    server.will_respond((200, {**KEY, "modes": []}))
    with pytest.raises(Error, match="no mode"):
        client.encrypt("name:orders", b"hello")


def test_a_key_of_another_purpose_is_not_used(client, server):
    server.will_respond((200, {**KEY, "purpose": "mac"}), (200, KEY))
    with pytest.raises(ValueError, match="The purpose of this key is mac"):
        client.encrypt("name:webhooks", b"hello")
    with pytest.raises(ValueError, match="This operation requires sign"):
        client.sign("name:orders", b"hello")


def test_the_failure_of_a_connection_survives_pickle():
    error = pickle.loads(pickle.dumps(ConnectionFailed("no", was_sent=False)))  # noqa: S301 - our own bytes
    assert (str(error), error.was_sent) == ("no", False)
