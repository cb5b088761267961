"""The data keys that an envelope keeps in memory, within limits. Threads may share them."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from ciphercanary_client import envelope_format
from ciphercanary_client.models import DataKey


@dataclass(frozen=True)
class OpenKey:
    """A data key in plaintext, and the header of its envelopes."""

    octets: bytes = field(repr=False)
    header: bytes = field(repr=False)

    @staticmethod
    def of(key: DataKey) -> "OpenKey":
        """Raises ValueError if the data key does not have 256 bits or has no plaintext."""
        if key.plaintext is None or len(key.plaintext) != envelope_format.DATA_KEY_SIZE:
            raise ValueError("The data key of an envelope has 32 bytes.")
        return OpenKey(key.plaintext, envelope_format.header_of(key.ciphertext))


class SealingKey:
    """The data key that encrypts at present, and its use so far."""

    def __init__(
        self,
        max_age: float,
        max_messages: int,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_messages < 1 or max_bytes < 1 or max_age < 0:
            raise ValueError("max_messages and max_bytes are at least 1, and max_age is not negative.")
        self._max_age, self._max_messages, self._max_bytes, self._clock = (
            max_age,
            max_messages,
            max_bytes,
            clock,
        )
        self._lock = threading.Lock()
        self._key: OpenKey | None = None
        self._expires, self._messages, self._bytes = 0.0, 0, 0

    def forget(self) -> None:
        with self._lock:
            self._key = None

    def take(self, size: int) -> OpenKey | None:
        """The key for a message of ``size`` bytes, which counts. None if a new one is needed."""
        with self._lock:
            if self._key is None or self._clock() >= self._expires:
                return None
            if self._messages >= self._max_messages or self._bytes + size > self._max_bytes:
                return None
            self._messages += 1
            self._bytes += size
            return self._key

    def replace(self, key: OpenKey, size: int) -> OpenKey:
        """Use a new key from now on, first for a message of ``size`` bytes."""
        with self._lock:
            self._key, self._expires = key, self._clock() + self._max_age
            self._messages, self._bytes = 1, size
            return key


class OpenedKeys:
    """The data keys of decrypted messages, by their header. The least recently used one goes first."""

    def __init__(self, max_age: float, max_opened: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_age, self._max_opened, self._clock = max_age, max_opened, clock
        self._lock = threading.Lock()
        self._keys: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()

    def forget(self) -> None:
        with self._lock:
            self._keys.clear()

    def get(self, header: bytes) -> bytes | None:
        with self._lock:
            octets, expires = self._keys.get(header, (None, 0.0))
            if octets is None:
                return None
            if self._clock() >= expires:
                del self._keys[header]
                return None
            self._keys.move_to_end(header)
            return octets

    def put(self, header: bytes, octets: bytes) -> bytes:
        with self._lock:
            now = self._clock()
            self._keys[header] = octets, now + self._max_age
            for expired in [each for each, (_, expires) in self._keys.items() if expires <= now]:
                del self._keys[expired]
            while len(self._keys) > self._max_opened:
                self._keys.popitem(last=False)
        return octets
