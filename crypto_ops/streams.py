"""Encrypting and decrypting data of any size, piece by piece. Shared by all interfaces; independent of HTTP.

A stream is begun (decided, and compared with the database), written to as its bytes arrive, checked periodically,
and finished. To finish, it is decided once more, and ``audit.commit.writer`` commits the decision with its audit event,
which has the actual size. Only then is the final part released. For an encryption, this is the last chunk, without
which the stream does not open as a whole. For a decryption, it is everything, because the ciphertext waits in a
spool until it is verified completely. So every complete stream has an audit event, and a key that was disabled or
rotated in the meantime completes no stream.
"""

import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Final, Self, final
from uuid import UUID

from django.conf import settings

from accounts.principals import Principal
from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding import compare, decision_of, key_event, perform
from crypto_ops.decision_context import DecisionContext
from crypto_ops.measurement import measured
from crypto_ops.spool import Spool
from kernel.clock import process_now
from kernel.crypto.envelope import HEADER_SIZE
from kernel.crypto.errors import DecryptionFailed, MalformedCiphertext
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.stream import NO_STREAM, STREAM, StreamCipher, StreamHeader, StreamOpener, sealed_size
from kernel.errors import Throttled, VersionConflict
from kernel.observability.metrics import throttled_total
from kernel.runtime import ProcessState
from keys.cached_keys import CachedVersion

MAX_OF_ONE: Final = 8  # concurrent streams of one principal, in each process
RETRY_SECONDS: Final = 5
DELAYED_BYTES: Final = 256 * 1024  # bytes of ciphertext: a shorter stream is refused or returned as a whole


class Stream(ABC):
    """Common base of encryption and decryption.

    The code that begins a stream must end it, with the error if it failed.
    """

    waits: ClassVar[bool]
    """Whether ``write`` may wait for a disk or a database, so that it must not run in an event loop."""

    def __init__(self, principal: Principal, aad: bytes) -> None:
        self.key_id: UUID | None = None
        self._principal = principal
        self._aad = aad
        self._size = 0  # of the plaintext
        self._resources = ExitStack()

    @abstractmethod
    def write(self, octets: bytes) -> bytes:
        """Process the next bytes of the body and return the output that may be sent already. Raises refusals."""

    @abstractmethod
    def check(self) -> None:
        """Raise an error if the stream may not continue: lost permission, disabled or rotated key, expired token."""

    @abstractmethod
    def finish(self) -> Iterator[bytes]:
        """Commit the audit event for the complete body, then return the rest of the response. Raises refusals."""

    @abstractmethod
    def answer_size(self, body_size: int | None) -> int | None:
        """The size of the whole response to a body of that size; None if unknown."""

    @property
    @abstractmethod
    def max_body(self) -> int:
        """Maximum body size in bytes. Any stream encrypted within ``CC_MAX_STREAM_BYTES`` can be decrypted."""

    def end(self, error: BaseException | None = None) -> None:
        """Release resources and record the metrics. A second call does nothing."""
        resources, self._resources = self._resources, ExitStack()
        resources.__exit__(type(error) if error else None, error, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.end(error)


@final
class Encryption(Stream):
    """Seals under the primary version at the start of the stream. Raises the same errors as for a message."""

    waits = False

    def __init__(self, principal: Principal, *, key_id: UUID, aad: bytes = b"") -> None:
        super().__init__(principal, aad)
        self.key_id = key_id
        with _place(principal) as resources:
            version = perform(principal, lambda context: self._decide(key_id, context), compare)
            self._header = StreamHeader(key_id, version.number)
            self._sealer = version.stream_cipher().sealer(self._header, aad)
            self._resources = resources.pop_all()
        self._beginning: bytes | None = b""

    def write(self, octets: bytes) -> bytes:
        self._size += len(octets)
        sealed = self._sealer.update(octets)
        if self._beginning is None:
            return sealed
        self._beginning += sealed
        if len(self._beginning) < DELAYED_BYTES:
            return b""
        sealed, self._beginning = self._beginning, None
        return sealed

    def check(self) -> None:
        perform(self._principal, self._decide_again, compare)

    def finish(self) -> Iterator[bytes]:
        perform(self._principal, self._decide_again)
        return iter([(self._beginning or b"") + self._sealer.finish()])

    def answer_size(self, body_size: int | None) -> int | None:
        return None if body_size is None else sealed_size(body_size)

    @property
    def max_body(self) -> int:
        return settings.CC_MAX_STREAM_BYTES

    def _decide_again(self, context: DecisionContext) -> Decision[CachedVersion]:
        return self._decide(self._header.key_id, context, begun_under=self._header.version)

    def _decide(
        self, key_id: UUID, context: DecisionContext, *, begun_under: int | None = None
    ) -> Decision[CachedVersion]:
        context.principal.require("crypto.encrypt")
        entry = context.find(key_id, "crypto.encrypt")
        now = process_now()
        version = entry.require_protect(now)
        entry.require_allowed(SEALING_MODES["aes-256-gcm"])
        if begun_under not in {None, version.number}:
            # As for messages: no encryption completes under a version after its rotation was acknowledged.
            raise VersionConflict(
                "The key was rotated while the stream was being encrypted. Send it again.",
                extra={**entry.lifecycle_state(now).facts(), "primary_version": version.number},
            )
        event = key_event(actions.STREAM_ENCRYPTED, entry, version, algorithm=STREAM.name)
        return decision_of(version, event, context, size=self._size, protects=entry)


@dataclass(frozen=True, slots=True)
class _Opening:
    """A decryption whose header has arrived: the header, and the first of the two passes over the stream."""

    header: StreamHeader
    cipher: StreamCipher
    first_pass: StreamOpener


@final
class Decryption(Stream):
    """Begins before its key is known: the first bytes of the stream name it.

    Raises the same errors as for a message.
    """

    waits = True

    def __init__(self, principal: Principal, *, aad: bytes = b"") -> None:
        super().__init__(principal, aad)
        self._beginning = b""
        self._opening: _Opening | None = None
        with _place(principal) as resources:
            principal.require("crypto.decrypt")
            self._spool = resources.enter_context(closing(Spool()))
            self._resources = resources.pop_all()

    def write(self, octets: bytes) -> bytes:
        self._spool.write(octets)
        if self._opening is None:
            self._beginning += octets
            if len(self._beginning) < HEADER_SIZE:
                return b""
            octets, self._beginning = self._beginning[HEADER_SIZE:], self._beginning[:HEADER_SIZE]
            self._opening = self._open()
        self._size += len(self._opening.first_pass.update(octets))
        return b""

    def check(self) -> None:
        if self._opening is not None:
            header = self._opening.header
            perform(self._principal, lambda context: self._decide(header, context), compare)

    def finish(self) -> Iterator[bytes]:
        if self._opening is None:
            raise MalformedCiphertext(NO_STREAM)
        header = self._opening.header
        self._size += len(self._opening.first_pass.finish())
        perform(self._principal, lambda context: self._decide(header, context))
        return self._second_pass(self._opening.cipher.opener(header, self._aad))

    def answer_size(self, body_size: int | None) -> int | None:  # noqa: ARG002 - the first pass has measured the plaintext
        return self._size

    @property
    def max_body(self) -> int:
        return sealed_size(settings.CC_MAX_STREAM_BYTES)

    def _open(self) -> _Opening:
        header = StreamHeader.decode(self._beginning)
        self.key_id = header.key_id
        version = perform(self._principal, lambda context: self._decide(header, context), compare)
        cipher = version.stream_cipher()
        return _Opening(header, cipher, cipher.opener(header, self._aad))

    def _decide(self, header: StreamHeader, context: DecisionContext) -> Decision[CachedVersion]:
        context.principal.require("crypto.decrypt")
        entry = context.find(header.key_id, "crypto.decrypt")
        if header.version not in entry.versions:
            raise DecryptionFailed  # indistinguishable from an altered stream
        version = context.require_process(entry, header.version, process_now())
        event = key_event(actions.STREAM_DECRYPTED, entry, version, algorithm=STREAM.name)
        return decision_of(version, event, context, size=self._size)

    def _second_pass(self, opener: StreamOpener) -> Iterator[bytes]:
        self._spool.rewind(HEADER_SIZE)
        while octets := self._spool.read():
            yield opener.update(octets)
        yield opener.finish()


@contextmanager
def _place(principal: Principal) -> Iterator[ExitStack]:
    """A slot for one more stream, with metrics; ``pop_all`` keeps it. Raises Throttled."""
    with ExitStack() as resources:
        resources.enter_context(measured(STREAM))
        resources.enter_context(_running.current.one_more(principal.identity.budget))
        yield resources


class _Running:
    """The number of streams of each principal in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    @contextmanager
    def one_more(self, name: str) -> Iterator[None]:
        with self._lock:
            if self._counts[name] >= MAX_OF_ONE:
                throttled_total.labels(scope="streams").inc()
                raise Throttled(
                    f"You already have {MAX_OF_ONE} open streams, which is the limit. Wait until one is complete.",
                    retry_after=RETRY_SECONDS,
                )
            self._counts[name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._counts[name] -= 1
                self._counts += Counter()  # removes principals without streams


_running = ProcessState(_Running)
