"""The decisions of encrypting and decrypting data of any size: for streams, and for files."""

from collections.abc import Callable
from functools import partial
from uuid import UUID

from msgspec import Struct

from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext
from crypto_ops.deciding.services import decision_of, key_event
from crypto_ops.requests import Unprinted
from kernel.clock import process_now
from kernel.crypto.errors import DecryptionFailed, UnsupportedAlgorithm
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.sealing.data_key_stream import AnyHeader, DataKeyHeader
from kernel.crypto.sealing.stream import STREAM, StreamHeader, StreamOpener
from kernel.errors import VersionConflict
from keys.ring import primitives
from keys.ring.cached_keys import CachedVersion

type OpenStream = Callable[[], StreamOpener]
"""Begins to open a stream; each pass over it needs a new opener."""


class StreamEncryption(Struct, frozen=True):
    """``size``: of the plaintext. ``begun_under``: the version under which the data was encrypted."""

    key_id: UUID
    size: int = 0
    begun_under: int | None = None

    def decide(self, context: DecisionContext) -> Decision[CachedVersion]:
        """The version that protects."""
        context.principal.require("crypto.encrypt")
        entry = context.find(self.key_id, "crypto.encrypt")
        now = process_now()
        version = entry.require_protect(now)
        entry.require_allowed(SEALING_MODES["aes-256-gcm"])
        version.require_mode(SEALING_MODES["aes-256-gcm"])
        if self.begun_under not in {None, version.number}:
            # As for messages: no encryption completes under a version after its rotation was acknowledged.
            raise VersionConflict(
                "The key was rotated while the stream was being encrypted. Send it again.",
                extra={**entry.lifecycle_state(now).facts(), "primary_version": version.number},
            )
        event = key_event(actions.STREAM_ENCRYPTED, entry, version, algorithm=STREAM.name)
        return decision_of(version, event, context, size=self.size, protects=entry)


class StreamDecryption(Unprinted, frozen=True):
    header: AnyHeader
    aad: bytes
    size: int = 0

    def decide(self, context: DecisionContext) -> Decision[OpenStream]:
        """A function that begins to open the stream of this header."""
        header = self.header
        context.principal.require("crypto.decrypt")
        entry = context.find(header.key_id, "crypto.decrypt")
        if header.version not in entry.versions:
            raise DecryptionFailed  # indistinguishable from an altered stream
        version = context.require_process(entry, header.version, process_now())
        mode = header.key.mode if isinstance(header, DataKeyHeader) else STREAM
        event = key_event(actions.STREAM_DECRYPTED, entry, version, algorithm=mode.name)
        return decision_of(_opening(header, self.aad, version), event, context, size=self.size)


def _opening(header: AnyHeader, aad: bytes, version: CachedVersion) -> OpenStream:
    if isinstance(header, StreamHeader):
        return partial(version.stream_cipher().opener, header, aad)
    mode = header.key.mode
    if mode.is_public_key:  # anyone with the public key could have made the stream
        raise UnsupportedAlgorithm(
            "Data under a data key of a public-key mode is decrypted by clients only.", field=None
        )
    opener = version.primitive(primitives.opener_of(mode), mode)
    data_key = opener.open(header.key.sealed, key_id=header.key_id, version=header.version, aad=b"")
    return partial(header.opener, data_key, aad)
