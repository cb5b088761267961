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
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Final, Protocol, Self, final
from uuid import UUID

from django.conf import settings

from accounts.principals import Principal
from crypto_ops.deciding.services import COMMIT, COMPARISON, Settlement, perform
from crypto_ops.measurement import measured
from crypto_ops.streaming.services.decisions import OpenStream, StreamDecryption, StreamEncryption
from crypto_ops.streaming.services.spool import AnySpool, Spool
from kernel.crypto.errors import MalformedCiphertext
from kernel.crypto.sealing.data_key_stream import AnyHeader, key_id_at_start, read_header
from kernel.crypto.sealing.stream import NO_STREAM, STREAM, StreamHeader, StreamOpener, sealed_size
from kernel.errors import Throttled
from kernel.observability.metrics import throttled_total
from kernel.runtime import ProcessState

MAX_OF_ONE: Final = 8  # concurrent streams of one principal, in each process
_RETRY_SECONDS: Final = 5
DELAYED_BYTES: Final = 256 * 1024  # bytes of ciphertext: a shorter stream is refused or returned as a whole


class _Digest(Protocol):
    def update(self, octets: bytes, /) -> None: ...


class Stream(ABC):
    """Common base of encryption and decryption.

    The code that begins a stream must end it, with the error if it failed. ``is_limited``: it counts towards
    ``MAX_OF_ONE``.
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
    def response_size(self, body_size: int | None) -> int | None:
        """The size of the whole response to a body of that size; None if unknown."""

    @property
    def named_key(self) -> UUID | None:
        """For the record of a refusal: ``key_id``, or the key in the header of a stream that cannot be read."""
        return self.key_id

    @property
    def size(self) -> int:
        """The bytes of plaintext so far."""
        return self._size

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

    def __init__(
        self, principal: Principal, *, key_id: UUID, aad: bytes = b"", is_limited: bool = True
    ) -> None:
        super().__init__(principal, aad)
        self.key_id = key_id
        with _place(principal, is_limited=is_limited) as resources:
            version = perform(StreamEncryption(key_id), principal, COMPARISON)
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
        perform(self._again(), self._principal, COMPARISON)

    def finish(self) -> Iterator[bytes]:
        perform(self._again(), self._principal)
        return iter([(self._beginning or b"") + self._sealer.finish()])

    def response_size(self, body_size: int | None) -> int | None:
        return None if body_size is None else sealed_size(body_size)

    @property
    def max_body(self) -> int:
        return settings.CC_MAX_STREAM_BYTES

    @property
    def version(self) -> int:
        return self._header.version

    def _again(self) -> StreamEncryption:
        return StreamEncryption(self._header.key_id, self._size, self._header.version)


@dataclass(frozen=True, slots=True)
class _Opening:
    """A decryption whose header has arrived, and the first of the two passes over the stream."""

    header: AnyHeader
    again: OpenStream
    first_pass: StreamOpener


@final
class Decryption(Stream):
    """Begins before its key is known: the first bytes of the stream name it.

    ``spool``: keeps the ciphertext between the two passes. ``digest``: gets the plaintext of the first one. Raises the same errors as for a message.
    """

    waits = True

    def __init__(
        self,
        principal: Principal,
        *,
        aad: bytes = b"",
        spool: AnySpool | None = None,
        digest: _Digest | None = None,
        is_limited: bool = True,
    ) -> None:
        super().__init__(principal, aad)
        self._beginning = b""
        self._opening: _Opening | None = None
        self._digest = digest
        with _place(principal, is_limited=is_limited) as resources:
            principal.require("crypto.decrypt")
            self._spool = resources.enter_context(closing(spool or Spool()))
            self._resources = resources.pop_all()

    def write(self, octets: bytes) -> bytes:
        self._spool.write(octets)
        if self._opening is None:
            self._beginning += octets
            header = read_header(self._beginning)
            if header is None:
                return b""
            octets, self._beginning = self._beginning[header.size :], b""
            self._opening = self._open(header)
        self._add(self._opening.first_pass.update(octets))
        return b""

    def check(self) -> None:
        if self._opening is not None:
            self._perform(self._opening.header, COMPARISON)

    def finish(self) -> Iterator[bytes]:
        if self._opening is None:
            raise MalformedCiphertext(NO_STREAM)
        self._add(self._opening.first_pass.finish())
        self._perform(self._opening.header, COMMIT)
        return self._second_pass(self._opening)

    def response_size(self, body_size: int | None) -> int | None:  # noqa: ARG002 - the first pass has measured the plaintext
        return self._size

    @property
    def max_body(self) -> int:
        return sealed_size(settings.CC_MAX_STREAM_BYTES)

    @property
    def named_key(self) -> UUID | None:
        return self.key_id or key_id_at_start(self._beginning)

    @property
    def version(self) -> int | None:
        """None before the header has arrived."""
        return None if self._opening is None else self._opening.header.version

    def _open(self, header: AnyHeader) -> _Opening:
        self.key_id = header.key_id
        again = self._perform(header, COMPARISON)
        return _Opening(header, again, again())

    def _perform(self, header: AnyHeader, settlement: Settlement[OpenStream]) -> OpenStream:
        return perform(StreamDecryption(header, self._aad, self._size), self._principal, settlement)

    def _add(self, plaintext: bytes) -> None:
        self._size += len(plaintext)
        if self._digest is not None:
            self._digest.update(plaintext)

    def _second_pass(self, opening: _Opening) -> Iterator[bytes]:
        self._spool.rewind(opening.header.size)
        opener = opening.again()
        while octets := self._spool.read():
            yield opener.update(octets)
        yield opener.finish()


@contextmanager
def _place(principal: Principal, *, is_limited: bool) -> Iterator[ExitStack]:
    """A slot for one more stream, with metrics; ``pop_all`` keeps it. Raises Throttled."""
    with ExitStack() as resources:
        resources.enter_context(measured(STREAM))
        if is_limited:
            resources.enter_context(one_more_stream(principal))
        yield resources


def one_more_stream(principal: Principal) -> AbstractContextManager[None]:
    """Counts as a stream of the principal inside the block. Raises Throttled above ``MAX_OF_ONE``."""
    return _running.current.one_more(principal.identity.budget)


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
                    retry_after=_RETRY_SECONDS,
                )
            self._counts[name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._counts[name] -= 1
                self._counts += Counter()  # removes principals without streams


_running = ProcessState(_Running)
