"""Streams without an interface: begun, checked, finished, ended; and the storage of their ciphertext."""

import uuid
from contextlib import suppress

import pytest
from django.conf import settings

from crypto_ops.errors import SpoolNotWritten
from crypto_ops.streaming.services import spool, streams
from crypto_ops.streaming.services.streams import Decryption, Encryption
from kernel.crypto.errors import DecryptionFailed
from kernel.crypto.sealing.envelope import HEADER_SIZE
from kernel.crypto.sealing.stream import sealed_size
from kernel.errors import Conflict, DomainError, Throttled, VersionConflict
from keys.editing import services as editing
from keys.errors import KeyNotActive, KeyNotUsable
from keys.rotation.services import rotating
from keys.states import services as states
from tests.crypto_ops.stream_client import entries

CHUNK = 16 * 1024
PLAINTEXT = bytes(n % 251 for n in range(100_000))


def test_a_stream_completes_only_when_it_is_finished(principal, key):
    plaintext = bytes(streams.DELAYED_BYTES + 1)
    with Encryption(principal, key_id=uuid.UUID(key["id"])) as stream:
        begun = stream.write(plaintext)
        assert len(begun) > streams.DELAYED_BYTES
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
        "disabled": (states.disable_key, KeyNotActive, KeyNotUsable),
        "revoked": (states.revoke_key, KeyNotActive, None),
        "rotated": (rotating.rotate_key, VersionConflict, None),
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
        editing.update_key(principal=principal, key_id=key_id, changes={"description": "another"})
        stream.check()
        assert len(begun + b"".join(stream.finish())) == sealed_size(len(PLAINTEXT))


def test_a_disabled_version_opens_no_stream(bench, principal, key):
    key_id = uuid.UUID(key["id"])
    with Encryption(principal, key_id=key_id) as stream:
        sealed = stream.write(b"x") + b"".join(stream.finish())
    bench.change_key(key["id"], "rotate")
    bench.change_key(key["id"], "versions/1/disable")
    with Decryption(principal) as stream, pytest.raises(KeyNotUsable):
        stream.write(sealed)


def test_the_simultaneous_streams_of_a_principal_are_limited_and_each_end_frees_a_place(
    principal, developer, key
):
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
    assert not streams._running.current._counts


# --- the spool


def test_a_large_stream_waits_on_disk_and_leaves_nothing_there(principal, key):
    plaintext = bytes(3 * spool.IN_MEMORY)
    with Encryption(principal, key_id=uuid.UUID(key["id"])) as stream:
        sealed = stream.write(plaintext) + b"".join(stream.finish())
    folder = settings.CC_HOME / "spool"
    with Decryption(principal) as stream:
        stream.write(sealed)
        assert stream._spool._file.fileno() > 0  # it is stored in a file without a name
        assert list(folder.iterdir()) == []
        assert b"".join(stream.finish()) == plaintext
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.iterdir()) == []


def test_a_small_one_does_not_touch_the_disk(principal):
    with Decryption(principal) as stream:
        stream._spool.write(bytes(spool.IN_MEMORY))
        assert not stream._spool._file._rolled


def test_a_folder_that_cannot_be_made_is_a_clean_refusal(principal, monkeypatch, tmp_path):
    (tmp_path / "spool").write_text("in the way")
    with monkeypatch.context() as patch:
        patch.setattr(settings, "CC_HOME", tmp_path / "spool")
        with pytest.raises(SpoolNotWritten):
            Decryption(principal)
    assert not streams._running.current._counts


def test_an_alteration_on_the_disk_between_the_passes_is_detected(principal, key):
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
