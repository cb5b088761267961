"""The default modes of keys, which a client reads once for each key."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from ciphercanary_client.errors import Error
from ciphercanary_client.models import Key

MAX_AGE = 300.0  # seconds, because a policy can change the modes of a key
MAX_KEYS = 1000


class DefaultModes:
    """Maps the reference of a key and its purpose to its default mode for some minutes. Threads may share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._modes: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()

    def get(self, reference: str, purpose: str) -> str | None:
        with self._lock:
            mode, expires = self._modes.get((reference, purpose), (None, 0.0))
            return mode if self._clock() < expires else None

    def put(self, reference: str, purpose: str, key: Key) -> str:
        """Store and return the first mode. Raises ValueError for a key of another purpose, Error for one without modes."""
        if key.purpose != purpose:
            raise ValueError(f"The purpose of this key is {key.purpose}. This operation requires {purpose}.")
        if not key.modes:
            raise Error("The key has no mode. Its policy forbids all of them.")
        with self._lock:
            self._modes[reference, purpose] = key.modes[0], self._clock() + MAX_AGE
            while len(self._modes) > MAX_KEYS:
                self._modes.popitem(last=False)
        return key.modes[0]
