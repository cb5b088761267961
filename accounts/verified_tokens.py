"""Access tokens that this process has verified: a lookup takes a microsecond where a signature takes a hundred.

What is remembered is the principal as he stood then, with his stamp. Whoever acts for him hands that stamp to
``audit.commit.writer``: a token that was revoked meanwhile, in whatever process, is refused there. Nothing that is
answered without such a commit may rest on what is found here.
"""

import hashlib
from collections import OrderedDict
from datetime import datetime
from threading import Lock
from typing import Final

from accounts.principals import Principal

MAX_HELD: Final = 10_000

# By the digest: a memory dump holds no token.
_held: Final[OrderedDict[bytes, Principal]] = OrderedDict()
_lock = Lock()


def find(text: str, now: datetime) -> Principal | None:
    """The principal that the token stands for, as he was when it was verified; None where it has to be verified."""
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
    """``principal`` was made from the token a moment ago. The one not used for the longest time goes first."""
    digest = _digest(text)
    with _lock:
        _held[digest] = principal
        _held.move_to_end(digest)
        if len(_held) > MAX_HELD:
            _held.popitem(last=False)


def forget(text: str) -> None:
    """Something that the principal rests on has changed."""
    with _lock:
        _held.pop(_digest(text), None)


def forget_all() -> None:
    with _lock:
        _held.clear()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
