"""Cache of access tokens that this process has verified.

A lookup takes a microsecond, a signature check a hundred. An entry is the principal as built at verification,
with its stamp. Code that acts for the principal passes the stamp to ``audit.commit.writer``, which refuses a token that
any process has revoked since. An answer without such a commit must not depend on this cache.
"""

import hashlib
from collections import OrderedDict
from datetime import datetime
from threading import Lock
from typing import Final

from accounts.principals import Principal

MAX_HELD: Final = 10_000

# Keyed by digest, so that a memory dump contains no token.
_held: Final[OrderedDict[bytes, Principal]] = OrderedDict()
_lock = Lock()


def find(text: str, now: datetime) -> Principal | None:
    """The principal as built when the token was verified, or None if the token must be verified."""
    digest = _digest(text)
    with _lock:
        principal = _held.get(digest)
        if principal is None:
            return None
        if principal.not_after is not None and principal.not_after <= now:
            del _held[digest]
            return None
        _held.move_to_end(digest)
    return principal


def remember(text: str, principal: Principal) -> None:
    """Cache a principal that was just built from the token. A full cache evicts the least recently used entry."""
    digest = _digest(text)
    with _lock:
        _held[digest] = principal
        _held.move_to_end(digest)
        if len(_held) > MAX_HELD:
            _held.popitem(last=False)


def forget(text: str) -> None:
    """Drop the entry because something that the principal depends on has changed."""
    with _lock:
        _held.pop(_digest(text), None)


def forget_all() -> None:
    with _lock:
        _held.clear()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
