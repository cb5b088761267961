"""Requests, answers and errors of both clients, against answers of a server in memory."""

import asyncio
import base64
import pickle
import stat

import httpx
import pytest

from ciphercanary_client import (
    ApiError,
    AuthenticationFailed,
    CiphertextRefused,
    Client,
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
from ciphercanary_client.transfers import stream_size

URL, TOKEN = "https://keys.example.org", "cct_secret-token"
KEY = {
    "id": "66754b2e-0d85-4f16-bca3-6d65ddf0ba6c",
    "name": "orders",
    "algorithm": "aes-256",
    "purpose": "encrypt",
    "status": "active",
    "modes": ["aes-256-gcm", "aes-256-gcm-siv"],
    "operations": ["encrypt", "decrypt"],
    "primary_version": 2,
}
PROBLEM = {"code": "audit_unavailable", "detail": "Retry."}
LOST = httpx.ReadError("reset")


def b64(octets):
    return base64.b64encode(octets).decode()


# --- where to connect


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "missing"),
        ("keys.example.org", "begins with"),
        ("ftp://keys.example.org", "begins with"),
        ("https://", "begins with"),
        ("http://keys.example.org", "Plain HTTP"),
        ("http://127.0.0.1.example.org", "Plain HTTP"),
        ("http://10.0.0.1", "Plain HTTP"),
        ("https://user:secret@keys.example.org", "no user"),
        ("https://keys.example.org/?a=b", "no user"),
    ],
)
def test_a_url_that_cannot_be_meant_is_rejected(monkeypatch, url, reason):
    monkeypatch.delenv("CIPHERCANARY_URL", raising=False)
    with pytest.raises(ValueError, match=reason) as raised:
        Client(url, TOKEN)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:80", URL, f"{URL}/kms/"]
)
def test_other_urls_are_accepted(url):
    Client(url, TOKEN).close()


def test_plain_http_elsewhere_can_be_allowed():
    Client("http://keys.internal", TOKEN, allow_http=True).close()


@pytest.mark.parametrize("token", ["", "two words", "line\n", "ünicode"])
def test_a_token_that_is_none_is_rejected_without_being_shown(monkeypatch, token):
    monkeypatch.delenv("CIPHERCANARY_TOKEN", raising=False)
    with pytest.raises(ValueError, match="token") as raised:
        Client(URL, token)
    assert not token or token not in str(raised.value)


def test_url_and_token_come_from_the_environment(monkeypatch, server):
    monkeypatch.setenv("CIPHERCANARY_URL", f"{URL}/kms")
    monkeypatch.setenv("CIPHERCANARY_TOKEN", TOKEN)
    server.will_answer((200, KEY))
    with Client(transport=httpx.MockTransport(server)) as client:
        assert client.key("name:orders").id == KEY["id"]
        assert TOKEN not in repr(client)
    [request] = server.requests
    assert str(request.url) == f"{URL}/kms/api/v1/keys/name:orders"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"


def test_a_redirect_is_an_error(client, server):
    server.will_answer(httpx.Response(307, headers={"Location": "https://elsewhere.example/"}))
    with pytest.raises(ApiError, match="307"):
        client.decrypt("cc1.AAAA")
    assert len(server.requests) == 1


# --- messages


def test_the_default_mode_of_a_key_is_read_once(client, server):
    server.will_answer((200, KEY), (200, {"ciphertext": "cc1.A"}), (200, {"ciphertext": "cc1.B"}))
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
    server.will_answer((200, signed), (200, {"valid": True}), (200, {"valid": False}))
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
    answer = {"mac": b64(b"mac"), "algorithm": "hmac-sha256", "key_id": KEY["id"], "key_version": 1}
    server.will_answer((200, answer), (200, {"valid": True}))
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
    server.will_answer(
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
    server.will_answer((200, {"results": [KEY, KEY], "next": "/x"}), (200, {"results": [KEY], "next": None}))
    assert [key.name for key in client.keys(status="active")] == ["orders"] * 3
    assert [dict(request.url.params)["page"] for request in server.requests] == ["1", "2"]


@pytest.mark.parametrize("key", ["", "../users", "name:a/b", "orders?x", "name:"])
def test_a_reference_cannot_change_the_path(client, key):
    with pytest.raises(ValueError, match="named by its id"):
        client.key(key)


def test_a_creation_is_repeated_with_its_idempotency_key(client, server):
    server.will_answer(LOST, (409, {"code": "request_in_progress"}, {"Retry-After": "0"}), (201, KEY))
    assert client.create_key("orders", tags=["a"]).primary_version == 2
    [key] = {request.headers["idempotency-key"] for request in server.requests}
    assert len(server.requests) == 3
    server.will_answer((201, {"id": "1", "new_key_id": KEY["id"], "old_version": 1, "new_version": 2}))
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
    server.will_answer((status, members, {"Retry-After": "900"}))
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
    "answer",
    [
        "<html>",
        (200, {}),
        (200, []),
        (200, {"ciphertext": None, "data": 7}),
        (204, None),
    ],
)
def test_a_success_of_another_server_is_an_error(client, server, answer):
    server.will_answer(answer)
    with pytest.raises(ApiError) as raised:
        client.decrypt("cc1.AAAA")
    assert raised.value.code == "unexpected_answer"


def test_an_operation_is_repeated_until_it_succeeds(client, server):
    server.will_answer(
        (503, PROBLEM), (429, PROBLEM), LOST, httpx.ConnectError("refused"), (200, {"data": b64(b"m")})
    )
    assert client.decrypt("cc1.AAAA") == b"m"


def test_no_failure_keeps_the_request_or_the_answer(client, server, make_async_client, paths):
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
        server.will_answer(*[LOST] * 6)
        with pytest.raises(ConnectionFailed) as raised:
            send()
        assert (raised.value.__context__, raised.value.__cause__) == (None, None)
    server.will_answer("<html>")
    with pytest.raises(ApiError) as refused:
        client.decrypt("cc1.AAAA")
    assert refused.value.__context__ is None


def test_the_last_error_is_raised(client, server):
    server.will_answer(*[(503, PROBLEM)] * 6)
    with pytest.raises(Unavailable):
        client.decrypt("cc1.AAAA")
    assert not server.answers


def test_a_call_that_may_change_something_is_not_repeated_after_a_lost_connection(client, server):
    server.will_answer(LOST)
    with pytest.raises(ConnectionFailed, match="No answer: reset"):
        client.call("POST", "/api/v1/users", {"username": "mira"})
    server.will_answer(LOST, (200, {}), LOST, (201, {}))
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
    server.will_answer((200, {**KEY, "modes": []}))
    with pytest.raises(Error, match="no mode"):
        client.encrypt("name:orders", b"hello")


def test_the_failure_of_a_connection_survives_pickle():
    error = pickle.loads(pickle.dumps(ConnectionFailed("no", was_sent=False)))  # noqa: S301 - our own bytes
    assert (str(error), error.was_sent) == ("no", False)


# --- files


@pytest.fixture
def paths(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"plain" * 100_000)
    return source, target


def sealed(size):
    return bytes(stream_size(size))


def test_a_file_is_sent_again_from_its_beginning(client, server, paths):
    source, target = paths
    server.will_answer((503, PROBLEM), LOST, sealed(500_000))
    client.encrypt_file("name:orders", source, target, b"aad")
    assert target.read_bytes() == sealed(500_000)
    assert {request.content for request in server.requests} == {source.read_bytes()}
    assert {request.headers["content-length"] for request in server.requests} == {"500000"}
    assert server.requests[0].headers["x-aad"] == b64(b"aad")
    assert server.requests[0].url.params["key_id"] == "name:orders"


@pytest.mark.parametrize("before", [None, b"before"])
def test_an_answer_that_was_cut_off_leaves_the_target_as_it_was(client, server, paths, before):
    source, target = paths
    source.write_bytes(sealed(500_000))
    if before:
        target.write_bytes(before)
    answers = [bytes(size) for size in (499_999, 16_384, 0)]
    refused = (400, {"code": "decryption_failed", "detail": "d"})
    server.will_answer(*answers, refused)
    with pytest.raises(DecryptionFailed):
        client.decrypt_file(source, target)
    assert (target.read_bytes() if target.exists() else None) == before
    assert len(list(target.parent.iterdir())) == 1 + bool(before)


def test_only_the_owner_reads_a_decrypted_file(client, server, paths):
    source, target = paths
    source.write_bytes(sealed(7))
    target.write_bytes(b"before")
    server.will_answer(b"plain 7")
    client.decrypt_file(source, target)
    assert target.read_bytes() == b"plain 7"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_the_aad_of_a_file_fits_a_header(client, paths):
    with pytest.raises(ValueError, match="4096"):
        client.encrypt_file("name:orders", *paths, bytes(4097))


@pytest.mark.parametrize(
    ("plain", "sealed"),
    [(0, 78 + 16), (16_383, 78 + 16_399), (16_384, 78 + 16_400 + 16), (16_385, 78 + 16_400 + 17)],
)
def test_the_size_of_a_stream_is_that_of_the_format(plain, sealed):
    assert stream_size(plain) == sealed


# --- the asynchronous client


def test_the_asynchronous_client_sends_the_same_requests(client, server, make_async_client, paths):
    source, target = paths
    signed = {"signature": b64(b"sig"), "signing_algorithm": "ed25519", "key_id": KEY["id"], "key_version": 3}
    coded = {"mac": b64(b"mac"), "algorithm": "hmac-sha256", "key_id": KEY["id"], "key_version": 1}
    rotated = {"id": "1", "new_key_id": KEY["id"], "old_version": 1, "new_version": 2}
    made = {"ciphertext": "cc1.AAAA", "algorithm": "aes-256-gcm", "key_id": KEY["id"], "key_version": 1}
    answers = [
        *[(200, KEY), (503, PROBLEM), LOST, (200, {"ciphertext": "cc1.A"})],
        *[(200, {"data": b64(b"m")}), (200, signed), (200, {"valid": True})],
        *[(200, coded), (200, {"valid": True})],
        *[(200, {**made, "plaintext": b64(bytes(32))})] * 2,
        *[(201, KEY), (200, {"results": [KEY], "next": None}), (201, rotated)],
        *[(200, {"x": 1}), "vkey"],
        *[(503, PROBLEM), sealed(500_000)],
        bytes(500_000),
    ]

    def used(client):
        """Each step is a value, or something to await."""
        yield client.encrypt("name:orders", b"hello")
        yield client.decrypt("cc1.A")
        signature = Signature.of(b"sig", "ed25519", KEY["id"], 3)
        yield client.sign("name:releases", b"m", "ed25519")
        yield client.verify("name:releases", b"m", signature)
        yield client.mac("name:webhooks", b"m")
        yield client.verify_mac("name:webhooks", b"m", signature)
        yield client.data_key("name:orders")
        yield client.envelope("name:orders").encrypt(b"")
        yield client.create_key("orders")
        yield client.keys()
        yield client.rotate("name:orders", "scheduled")
        yield client.call("GET", "/x")
        yield client.text("/y")
        yield client.encrypt_file("name:orders", source, target)
        yield client.decrypt_file(target, source)

    async def value_of(step):
        return [key async for key in step] if hasattr(step, "__aiter__") else await step

    async def use():
        async with make_async_client() as other:
            assert repr(other) == f"AsyncClient('{URL}')"
            return [await value_of(step) for step in used(other)]

    server.will_answer(*answers)
    found = asyncio.run(use())
    theirs = [(request.method, str(request.url), request.content) for request in server.requests]

    source.write_bytes(b"plain" * 100_000)
    server.requests.clear()
    server.will_answer(*answers)
    ours = [list(step) if hasattr(step, "__next__") else step for step in used(client)]
    assert [(request.method, str(request.url), request.content) for request in server.requests] == theirs
    without_envelope = [index for index in range(len(ours)) if index != 7]
    assert [found[index] for index in without_envelope] == [ours[index] for index in without_envelope]


def test_a_cancelled_file_leaves_nothing(server, make_async_client, paths):
    source, target = paths

    async def answer(_):
        await asyncio.sleep(60)

    async def use():
        async with make_async_client() as client:
            client._http._transport.handler = answer
            task = asyncio.create_task(client.encrypt_file("name:orders", source, target))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(use())
    assert [path.name for path in source.parent.iterdir()] == ["source"]
