"""Streams: one contract for the two doors, what the log says of it, and what a changed mind in between does."""

import json
import shutil
import uuid
from contextlib import suppress

import pytest
from django.conf import settings

from audit.models import AuditLog
from ciphercanary.crypto.envelope import HEADER_SIZE
from ciphercanary.crypto.errors import DecryptionFailed
from ciphercanary.crypto.stream import StreamHeader, sealed_size
from ciphercanary.errors import Conflict, DomainError, Throttled
from ciphercanary.metrics import encryption_operations_total
from crypto_ops import spool, streams
from crypto_ops.errors import SpoolNotWritten
from crypto_ops.streams import Decryption, Encryption
from keys import services
from keys.errors import KeyNotActive, KeyNotUsable, VersionConflict
from tests.audit.conftest import log_out_of_reach
from tests.crypto_ops.stream_client import DECRYPT, ENCRYPT, Door
from tests.personas import b64

CHUNK = 16 * 1024
PLAINTEXT = bytes(n % 251 for n in range(100_000))


@pytest.fixture(params=["reference", "carried"])
def door(request, bench):
    return Door(request.param, bench.persona.api)


@pytest.fixture
def key(bench):
    return bench.key()


@pytest.fixture
def principal(bench):
    return bench.persona.principal


def path(key):
    return f"{ENCRYPT}?key_id={key['id']}"


def code(outcome):
    assert outcome.headers["content-type"] == "application/problem+json", outcome.content
    return outcome.status, json.loads(outcome.content)["code"]


def entries(action):
    return AuditLog.objects.filter(action=f"crypto.stream.{action}").order_by("id")


# --- one contract, two doors


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 100_000])
def test_what_is_encrypted_decrypts_to_itself(door, key, size):
    sealed = door.post(path(key), PLAINTEXT[:size])
    opened = door.post(DECRYPT, sealed.content)
    assert (sealed.status, opened.status) == (200, 200)
    assert opened.content == PLAINTEXT[:size]
    assert (len(sealed.content), len(opened.content)) == (sealed_size(size), size)
    for answer in (sealed, opened):
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-length"] == str(len(answer.content))
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_stream_names_its_key_and_version(door, bench, key):
    bench.act(key["id"], "rotate")
    sealed = door.post(path(key), b"x").content
    assert StreamHeader.decode(sealed) == StreamHeader(uuid.UUID(key["id"]), 2)


def test_a_stream_of_an_earlier_version_still_decrypts(door, bench, key):
    sealed = door.post(path(key), b"x").content
    bench.act(key["id"], "rotate")
    assert door.post(DECRYPT, sealed).content == b"x"


def test_the_same_aad_is_needed_to_decrypt(door, key):
    sealed = door.post(path(key), b"x", X_AAD=b64(b"order 7")).content
    assert door.post(DECRYPT, sealed, X_AAD=b64(b"order 7")).content == b"x"
    assert code(door.post(DECRYPT, sealed, X_AAD=b64(b"order 8"))) == (400, "decryption_failed")
    assert code(door.post(DECRYPT, sealed)) == (400, "decryption_failed")


@pytest.mark.parametrize("where", [2, 21, HEADER_SIZE, HEADER_SIZE + 30, 5000, -1])
def test_an_altered_stream_is_refused_and_nothing_of_it_is_shown(door, bench, key, where):
    sealed = bytearray(door.post(path(key), PLAINTEXT).content)
    sealed[where] ^= 1
    status = code(door.post(DECRYPT, bytes(sealed)))
    # The key id is part of what was altered: another key does not exist.
    assert status == ((404, "not_found") if where == 2 else (400, "decryption_failed"))


@pytest.mark.parametrize("end", [HEADER_SIZE, HEADER_SIZE + 56, HEADER_SIZE + 56 + CHUNK + 16, -1])
def test_a_stream_without_its_end_is_refused(door, key, end):
    sealed = door.post(path(key), PLAINTEXT).content
    assert code(door.post(DECRYPT, sealed[:end])) == (400, "decryption_failed")


@pytest.mark.parametrize("body", [b"", b"\x01\x20", b"plain text, and a lot of it", b"\x01\x01" + bytes(100)])
def test_what_is_no_stream_is_malformed(door, body):
    assert code(door.post(DECRYPT, body)) == (400, "malformed_ciphertext")


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
def test_bad_requests_are_refused_alike(door, key, headers, expected):
    assert code(door.post(path(key), b"x", **headers)) == expected
    assert code(door.post(DECRYPT, b"x", **headers)) == expected


def test_parameters_are_checked(door, key):
    for query in ("", "?key_id=", "?key_id=no-uuid", f"?key_id={key['id']}&more=1"):
        assert code(door.post(ENCRYPT + query, b"x")) == (400, "invalid_request")
    assert code(door.post(f"{DECRYPT}?key_id={key['id']}", b"x")) == (400, "invalid_request")


def test_a_request_that_says_it_is_octets_in_other_words_is_understood(door, key):
    assert door.post(path(key), b"x", content_type="Application/Octet-Stream; a=b").status == 200


@pytest.mark.parametrize("algorithm", ["aes-128", "chacha20", "aes-256-siv"])
def test_other_keys_have_no_streams(door, bench, algorithm):
    other = bench.key(algorithm)
    assert code(door.post(path(other), b"x")) == (400, "unsupported_algorithm")
    named = StreamHeader(uuid.UUID(other["id"]), 1).encode() + bytes(100)
    assert code(door.post(DECRYPT, named)) == (400, "unsupported_algorithm")


def test_a_key_that_does_not_exist_and_one_of_somebody_else_are_not_found(door, key, stranger):
    sealed = door.post(path(key), b"x").content
    other = Door(door.name, stranger.api)
    missing = StreamHeader(uuid.uuid4(), 1).encode() + bytes(100)
    answers = [
        other.post(path(key), b"x", X_Request_ID="one"),
        other.post(f"{ENCRYPT}?key_id={uuid.uuid4()}", b"x", X_Request_ID="one"),
        other.post(DECRYPT, sealed, X_Request_ID="one"),
        other.post(DECRYPT, missing, X_Request_ID="one"),
    ]
    assert {code(answer) for answer in answers} == {(404, "not_found")}
    assert len({answer.content for answer in answers}) == 1


def test_who_may_not_is_refused_and_on_record(door, key, auditor):
    other = Door(door.name, auditor.api)
    assert code(other.post(path(key), b"x")) == (403, "permission_denied")
    assert code(other.post(DECRYPT, b"x")) == (403, "permission_denied")
    for entry in (entries("encrypted").get(), entries("decrypted").get()):
        assert (entry.outcome, entry.code, entry.actor_name) == ("denied", "permission_denied", "aude")


def test_each_stream_leaves_one_entry_that_names_key_version_size_and_caller(door, bench, key):
    sealed = door.post(path(key), PLAINTEXT, X_Request_ID="sealing").content
    door.post(DECRYPT, sealed, X_Request_ID="opening")
    for action, request_id in (("encrypted", "sealing"), ("decrypted", "opening")):
        entry = entries(action).get()
        assert (entry.object_id, entry.object_version, entry.size) == (key["id"], 1, len(PLAINTEXT))
        assert (entry.outcome, entry.user_id, entry.request_id) == ("ok", bench.persona.user.id, request_id)
        assert json.loads(entry.meta) == {"algorithm": "stream"}


def test_a_refused_stream_is_on_record_against_its_key(door, bench, key):
    sealed = door.post(path(key), b"x", X_AAD=b64(b"right")).content
    refused = door.post(DECRYPT, sealed, X_AAD=b64(b"wrong"), X_Request_ID="wrong")
    entry = entries("decrypted").get()
    assert (entry.code, entry.outcome, entry.object_id) == ("decryption_failed", "error", key["id"])
    assert entry.request_id == "wrong" == json.loads(refused.content)["request_id"]


def test_nothing_complete_leaves_while_the_log_cannot_be_written(door, key):
    sealed = door.post(path(key), b"x").content
    with log_out_of_reach():
        answers = [door.post(path(key), b"x"), door.post(DECRYPT, sealed)]
    assert {code(answer) for answer in answers} == {(503, "audit_unavailable")}
    assert door.post(DECRYPT, sealed).content == b"x"


def test_streams_are_counted_by_how_they_went(door, key):
    before = {status: counted(status) for status in ("success", "refused")}
    door.post(path(key), b"x")
    door.post(DECRYPT, StreamHeader(uuid.UUID(key["id"]), 1).encode() + bytes(100))
    assert {status: counted(status) - before[status] for status in before} == {"success": 1, "refused": 1}


def counted(status):
    return encryption_operations_total.labels(algorithm="stream", status=status)._value.get()


# --- the use case


def test_a_stream_completes_only_when_it_is_finished(principal, key):
    plaintext = bytes(streams.HELD_BACK + 1)
    with Encryption(principal, key_id=uuid.UUID(key["id"])) as stream:
        begun = stream.write(plaintext)
        assert len(begun) > streams.HELD_BACK
        assert not entries("encrypted")
        last = b"".join(stream.finish())
        assert entries("encrypted").get().size == len(plaintext)
    with Decryption(principal) as stream:
        stream.write(begun)
        with pytest.raises(DecryptionFailed):
            stream.finish()
    with Decryption(principal) as stream:
        assert stream.write(begun + last) == b""
        assert not entries("decrypted").filter(outcome="ok")
        assert b"".join(stream.finish()) == plaintext


def test_nothing_of_a_small_stream_leaves_before_it_is_on_record(principal, key):
    with Encryption(principal, key_id=uuid.UUID(key["id"])) as stream:
        assert stream.write(PLAINTEXT) == b""
        assert len(b"".join(stream.finish())) == sealed_size(len(PLAINTEXT))


def changes():
    return {
        "disabled": (services.disable_key, KeyNotActive, KeyNotUsable),
        "revoked": (services.revoke_key, KeyNotActive, None),
        "rotated": (services.rotate_key, VersionConflict, None),
    }


@pytest.mark.parametrize("change", changes())
def test_a_key_that_changes_under_a_stream_completes_none_that_it_would_not_begin(principal, key, change):
    act, refuses_encryption, refuses_decryption = changes()[change]
    key_id = uuid.UUID(key["id"])
    with Encryption(principal, key_id=key_id) as whole:
        sealed = whole.write(PLAINTEXT) + b"".join(whole.finish())
    encryption, decryption = Encryption(principal, key_id=key_id), Decryption(principal)
    encryption.write(PLAINTEXT)
    decryption.write(sealed)
    act(principal=principal, key_id=key_id, reason="because the test says so")
    with encryption:
        for step in (encryption.check, encryption.finish):
            with pytest.raises(refuses_encryption) as refusal:
                step()
            assert {"state", "key_status"} <= set(refusal.value.extra)
    with decryption:
        if refuses_decryption is None:
            decryption.check()
            assert b"".join(decryption.finish()) == PLAINTEXT
            return
        for step in (decryption.check, decryption.finish):
            with pytest.raises(refuses_decryption):
                step()
    assert entries("encrypted").filter(outcome="ok").count() == 1
    assert not entries("decrypted").filter(outcome="ok")


def test_a_change_that_takes_nothing_away_does_not_stop_a_stream(principal, key):
    key_id = uuid.UUID(key["id"])
    with Encryption(principal, key_id=key_id) as stream:
        begun = stream.write(PLAINTEXT)
        services.update_key(principal=principal, key_id=key_id, changes={"description": "another"})
        stream.check()
        assert len(begun + b"".join(stream.finish())) == sealed_size(len(PLAINTEXT))


def test_a_disabled_version_opens_no_stream(bench, principal, key):
    key_id = uuid.UUID(key["id"])
    with Encryption(principal, key_id=key_id) as stream:
        sealed = stream.write(b"x") + b"".join(stream.finish())
    bench.act(key["id"], "rotate")
    bench.act(key["id"], "versions/1/disable")
    with Decryption(principal) as stream, pytest.raises(KeyNotUsable):
        stream.write(sealed)


def test_one_principal_has_so_many_streams_at_once_and_gets_each_place_back(principal, developer, key):
    key_id = uuid.UUID(key["id"])
    running = [Encryption(principal, key_id=key_id) for _ in range(streams.MAX_OF_ONE)]
    with pytest.raises(Throttled) as refusal:
        Decryption(principal)
    assert refusal.value.retry_after
    Decryption(developer.principal).end()
    for number, stream in enumerate(running):
        stream.end(DecryptionFailed() if number % 2 else None)
        stream.end()
    for _ in range(streams.MAX_OF_ONE + 1):
        with suppress(DomainError):
            Encryption(principal, key_id=uuid.uuid4())
    assert not streams._running._counts


# --- the spool


def test_a_large_stream_waits_on_disk_and_leaves_nothing_there(principal, key):
    plaintext = bytes(3 * spool.IN_MEMORY)
    with Encryption(principal, key_id=uuid.UUID(key["id"])) as stream:
        sealed = stream.write(plaintext) + b"".join(stream.finish())
    folder = settings.CC_HOME / "spool"
    with Decryption(principal) as stream:
        stream.write(sealed)
        assert stream._spool._file.fileno() > 0  # it lies in a file, and the file has no name
        assert list(folder.iterdir()) == []
        assert b"".join(stream.finish()) == plaintext
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.iterdir()) == []


def test_a_small_one_does_not_touch_the_disk(principal):
    with Decryption(principal) as stream:
        stream._spool.write(bytes(spool.IN_MEMORY))
        assert not stream._spool._file._rolled


def test_a_full_disk_is_a_clean_refusal(door, key, monkeypatch):
    sealed = door.post(path(key), bytes(spool.IN_MEMORY)).content
    monkeypatch.setattr(spool, "RESERVE", shutil.disk_usage(settings.CC_HOME).total)
    assert code(door.post(DECRYPT, sealed)) == (503, "spool_not_written")
    assert door.post(DECRYPT, door.post(path(key), b"small").content).content == b"small"


def test_a_folder_that_cannot_be_made_is_a_clean_refusal(principal, monkeypatch, tmp_path):
    (tmp_path / "spool").write_text("in the way")
    with monkeypatch.context() as patch:
        patch.setattr(settings, "CC_HOME", tmp_path / "spool")
        with pytest.raises(SpoolNotWritten):
            Decryption(principal)
    assert not streams._running._counts


def test_what_was_changed_on_the_disk_between_the_passes_is_not_handed_out(principal, key):
    with Encryption(principal, key_id=uuid.UUID(key["id"])) as stream:
        sealed = stream.write(PLAINTEXT) + b"".join(stream.finish())
    with Decryption(principal) as stream:
        stream.write(sealed)
        rest = stream.finish()
        stream._spool.rewind(HEADER_SIZE + 56)
        stream._spool._file.write(b"something else")
        with pytest.raises(DecryptionFailed):
            b"".join(rest)


def test_conflicts_of_streams_are_those_of_messages():
    assert issubclass(VersionConflict, Conflict)
