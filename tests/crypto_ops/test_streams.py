"""Streams: one contract for both interfaces, their audit events, and changes of rights during a stream."""

import json
import shutil
import uuid

import pytest
from django.conf import settings

from crypto_ops.streaming.services import spool
from kernel.crypto.sealing.envelope import HEADER_SIZE
from kernel.crypto.sealing.stream import StreamHeader, sealed_size
from kernel.observability.metrics import encryption_operations_total
from tests.audit.conftest import log_out_of_reach
from tests.crypto_ops.stream_client import DECRYPT, ENCRYPT, StreamInterface, entries, path
from tests.personas import b64

CHUNK = 16 * 1024
PLAINTEXT = bytes(n % 251 for n in range(100_000))


def code(outcome):
    assert outcome.headers["content-type"] == "application/problem+json", outcome.content
    return outcome.status, json.loads(outcome.content)["code"]


# --- one contract, two interfaces


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 100_000])
def test_encrypted_data_decrypts_to_itself(interface, key, size):
    sealed = interface.post(path(key), PLAINTEXT[:size])
    opened = interface.post(DECRYPT, sealed.content)
    assert (sealed.status, opened.status) == (200, 200)
    assert opened.content == PLAINTEXT[:size]
    assert (len(sealed.content), len(opened.content)) == (sealed_size(size), size)
    for response in (sealed, opened):
        assert response.headers["content-type"] == "application/octet-stream"
        assert response.headers["content-length"] == str(len(response.content))
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"


def test_a_stream_names_its_key_and_version(interface, bench, key):
    bench.change_key(key["id"], "rotate")
    sealed = interface.post(path(key), b"x").content
    assert StreamHeader.decode(sealed) == StreamHeader(uuid.UUID(key["id"]), 2)


def test_a_stream_of_an_earlier_version_still_decrypts(interface, bench, key):
    sealed = interface.post(path(key), b"x").content
    bench.change_key(key["id"], "rotate")
    assert interface.post(DECRYPT, sealed).content == b"x"


def test_the_same_aad_is_needed_to_decrypt(interface, key):
    sealed = interface.post(path(key), b"x", X_AAD=b64(b"order 7")).content
    assert interface.post(DECRYPT, sealed, X_AAD=b64(b"order 7")).content == b"x"
    assert code(interface.post(DECRYPT, sealed, X_AAD=b64(b"order 8"))) == (400, "decryption_failed")
    assert code(interface.post(DECRYPT, sealed)) == (400, "decryption_failed")


@pytest.mark.parametrize("where", [2, 21, HEADER_SIZE, HEADER_SIZE + 30, 5000, -1])
def test_an_altered_stream_is_refused_and_nothing_of_it_is_shown(interface, bench, key, where):
    sealed = bytearray(interface.post(path(key), PLAINTEXT).content)
    sealed[where] ^= 1
    status = code(interface.post(DECRYPT, bytes(sealed)))
    # The altered byte may be in the key id, and that key does not exist.
    assert status == ((404, "not_found") if where == 2 else (400, "decryption_failed"))


@pytest.mark.parametrize("end", [HEADER_SIZE, HEADER_SIZE + 56, HEADER_SIZE + 56 + CHUNK + 16, -1])
def test_a_stream_without_its_end_is_refused(interface, key, end):
    sealed = interface.post(path(key), PLAINTEXT).content
    assert code(interface.post(DECRYPT, sealed[:end])) == (400, "decryption_failed")


@pytest.mark.parametrize("body", [b"", b"\x01\x20", b"plain text, and a lot of it", b"\x01\x01" + bytes(100)])
def test_an_invalid_stream_is_malformed(interface, body):
    assert code(interface.post(DECRYPT, body)) == (400, "malformed_ciphertext")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"content_type": "application/json"}, (415, "unsupported_media_type")),
        ({"content_type": "text/plain"}, (415, "unsupported_media_type")),
        ({"Content_Encoding": "gzip"}, (415, "unsupported_media_type")),
        ({"Accept": "application/json"}, (406, "not_acceptable")),
        ({"X_AAD": "not base64"}, (400, "invalid_request")),
        ({"X_AAD": "YQ"}, (400, "invalid_request")),
        ({"X_AAD": b64(bytes(4097))}, (400, "invalid_request")),
        ({"token": ""}, (401, "authentication_failed")),
        ({"token": "nonsense"}, (401, "authentication_failed")),
        ({"Sec_Fetch_Site": "cross-site"}, (403, "permission_denied")),
    ],
    ids=str,
)
def test_bad_requests_are_refused_by_both_operations(interface, key, headers, expected):
    assert code(interface.post(path(key), b"x", **headers)) == expected
    assert code(interface.post(DECRYPT, b"x", **headers)) == expected


def test_parameters_are_checked(interface, key):
    for query in ("", "?key_id=", "?key_id=no-uuid", f"?key_id={key['id']}&more=1"):
        assert code(interface.post(ENCRYPT + query, b"x")) == (400, "invalid_request")
    assert code(interface.post(f"{DECRYPT}?key_id={key['id']}", b"x")) == (400, "invalid_request")


def test_the_media_type_is_read_in_any_case_and_with_parameters(interface, key):
    assert interface.post(path(key), b"x", content_type="Application/Octet-Stream; a=b").status == 200


@pytest.mark.parametrize("algorithm", ["aes-128", "chacha20", "aes-256-siv"])
def test_other_keys_have_no_streams(interface, bench, algorithm):
    other = bench.key(algorithm)
    assert code(interface.post(path(other), b"x")) == (400, "unsupported_algorithm")
    named = StreamHeader(uuid.UUID(other["id"]), 1).encode() + bytes(100)
    assert code(interface.post(DECRYPT, named)) == (400, "unsupported_algorithm")


def test_a_key_that_does_not_exist_and_one_of_someone_else_are_not_found(interface, key, stranger):
    sealed = interface.post(path(key), b"x").content
    other = StreamInterface(interface.name, stranger.api)
    missing = StreamHeader(uuid.uuid4(), 1).encode() + bytes(100)
    responses = [
        other.post(path(key), b"x", X_Request_ID="one"),
        other.post(f"{ENCRYPT}?key_id={uuid.uuid4()}", b"x", X_Request_ID="one"),
        other.post(DECRYPT, sealed, X_Request_ID="one"),
        other.post(DECRYPT, missing, X_Request_ID="one"),
    ]
    assert {code(response) for response in responses} == {(404, "not_found")}
    assert len({response.content for response in responses}) == 1


def test_a_caller_without_permission_is_refused_and_recorded(interface, key, auditor):
    other = StreamInterface(interface.name, auditor.api)
    assert code(other.post(path(key), b"x")) == (403, "permission_denied")
    assert code(other.post(DECRYPT, b"x")) == (403, "permission_denied")
    for entry in (entries("encrypted").get(), entries("decrypted").get()):
        assert (entry.outcome, entry.code, entry.actor_name) == ("denied", "permission_denied", "aude")


def test_each_stream_leaves_one_entry_that_names_key_version_size_and_caller(interface, bench, key):
    sealed = interface.post(path(key), PLAINTEXT, X_Request_ID="sealing").content
    interface.post(DECRYPT, sealed, X_Request_ID="opening")
    for action, request_id in (("encrypted", "sealing"), ("decrypted", "opening")):
        entry = entries(action).get()
        assert (entry.object_id, entry.object_version, entry.size) == (key["id"], 1, len(PLAINTEXT))
        assert (entry.outcome, entry.user_id, entry.request_id) == ("ok", bench.persona.user.id, request_id)
        assert json.loads(entry.meta) == {"algorithm": "stream"}


def test_a_refused_stream_is_on_record_against_its_key(interface, bench, key):
    sealed = interface.post(path(key), b"x", X_AAD=b64(b"right")).content
    refused = interface.post(DECRYPT, sealed, X_AAD=b64(b"wrong"), X_Request_ID="wrong")
    entry = entries("decrypted").get()
    assert (entry.code, entry.outcome, entry.object_id) == ("decryption_failed", "error", key["id"])
    assert entry.request_id == "wrong" == json.loads(refused.content)["request_id"]


def test_nothing_complete_leaves_while_the_log_cannot_be_written(interface, key):
    sealed = interface.post(path(key), b"x").content
    with log_out_of_reach():
        responses = [interface.post(path(key), b"x"), interface.post(DECRYPT, sealed)]
    assert {code(response) for response in responses} == {(503, "audit_unavailable")}
    assert interface.post(DECRYPT, sealed).content == b"x"


def test_streams_are_counted_by_their_outcome(interface, key):
    before = {status: counted(status) for status in ("success", "refused")}
    interface.post(path(key), b"x")
    interface.post(DECRYPT, StreamHeader(uuid.UUID(key["id"]), 1).encode() + bytes(100))
    assert {status: counted(status) - before[status] for status in before} == {"success": 1, "refused": 1}


def counted(status):
    return encryption_operations_total.labels(algorithm="stream", status=status)._value.get()


def test_a_full_disk_is_a_clean_refusal(interface, key, monkeypatch):
    sealed = interface.post(path(key), bytes(spool.IN_MEMORY)).content
    monkeypatch.setattr(spool, "RESERVE", shutil.disk_usage(settings.CC_HOME).total)
    assert code(interface.post(DECRYPT, sealed)) == (503, "spool_not_written")
    assert interface.post(DECRYPT, interface.post(path(key), b"small").content).content == b"small"
