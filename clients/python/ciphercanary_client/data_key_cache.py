"""The data keys that an envelope keeps in memory, within limits. Threads may share them."""

import math
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


@dataclass(frozen=True)
class DataKeyLimits:
    """How long an envelope uses its data keys. Raises ValueError for limits that no data key could have.

    A data key is in memory for at most ``max_age`` seconds; 0 keeps none. It encrypts ``max_messages`` messages or
    ``max_bytes`` bytes, or a single larger message. ``max_opened`` data keys of decrypted envelopes are kept.
    """

    max_age: float = 300.0
    max_messages: int = 100_000
    max_bytes: int = 1 << 36
    max_opened: int = 1000

    def __post_init__(self) -> None:
        if self.max_messages < 1 or self.max_bytes < 1 or self.max_age < 0:
            raise ValueError("max_messages and max_bytes are at least 1, and max_age is not negative.")


DEFAULT_LIMITS = DataKeyLimits()


class DataKeyCache:
    """The data key that encrypts at present, and those of decrypted messages by their header.

    Every method drops the keys that have expired. The least recently used key of a decrypted message goes first.
    """

    def __init__(self, limits: DataKeyLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._lock = threading.Lock()
        self._sealing: OpenKey | None = None
        self._sealing_expires, self._messages, self._bytes = 0.0, 0, 0
        self._opened: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()
        self._next_expiry = math.inf

    def forget(self) -> None:
        with self._lock:
            self._sealing = None
            self._opened.clear()

    def take(self, size: int) -> OpenKey | None:
        """The key to encrypt a message of ``size`` bytes, which counts. None if a new one is needed."""
        with self._lock:
            self._drop_expired()
            limits = self._limits
            if self._messages >= limits.max_messages or self._bytes + size > limits.max_bytes:
                self._sealing = None
            if self._sealing:
                self._messages += 1
                self._bytes += size
            return self._sealing

    def replace(self, key: OpenKey, size: int) -> OpenKey:
        """Encrypt with a new key from now on, first a message of ``size`` bytes."""
        with self._lock:
            self._sealing, self._sealing_expires = key, self._expiry()
            self._messages, self._bytes = 1, size
            self._drop_expired()
        return key

    def get(self, header: bytes) -> bytes | None:
        """The key of a decrypted message."""
        with self._lock:
            self._drop_expired()
            if header not in self._opened:
                return None
            self._opened.move_to_end(header)
            return self._opened[header][0]

    def put(self, header: bytes, octets: bytes) -> bytes:
        with self._lock:
            self._opened[header] = octets, self._expiry()
            self._drop_expired()
            while len(self._opened) > self._limits.max_opened:
                self._opened.popitem(last=False)
        return octets

    def _expiry(self) -> float:
        expires = self._clock() + self._limits.max_age
        self._next_expiry = min(self._next_expiry, expires)
        return expires

    def _drop_expired(self) -> None:
        now = self._clock()
        if now < self._next_expiry:
            return
        if self._sealing_expires <= now:
            self._sealing = None
        for header in [header for header, (_, expires) in self._opened.items() if expires <= now]:
            del self._opened[header]
        expiries = [expires for _, expires in self._opened.values()]
        self._next_expiry = min(
            [*expiries, self._sealing_expires] if self._sealing else expiries, default=math.inf
        )
