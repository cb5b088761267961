"""Cache of access tokens that this process has verified.

A lookup takes a microsecond, a signature check a hundred. An entry is the principal as built at verification,
with its stamp. Code that acts for the principal compares the stamp with the database, itself
(``accounts.tokens.authenticate_known_bearer``) or at the commit (``audit.commit.writer``), so a token that any process
has revoked since is refused. An answer without such a comparison must not depend on this cache.
"""

import hashlib
from collections import OrderedDict
from datetime import datetime
from threading import Lock
from typing import Final

from accounts.principals import Principal
from kernel.runtime import ProcessState

MAX_CACHED: Final = 10_000


class _Tokens:
    def __init__(self) -> None:
        self.lock = Lock()
        # Keyed by digest, so that a memory dump contains no token.
        self.principals: OrderedDict[bytes, Principal] = OrderedDict()


_tokens = ProcessState(_Tokens)


def find(text: str, now: datetime) -> Principal | None:
    """The principal as built when the token was verified, or None if the token must be verified."""
    digest, tokens = _digest(text), _tokens.current
    with tokens.lock:
        principal = tokens.principals.get(digest)
        if principal is None:
            return None
        if principal.not_after is not None and principal.not_after <= now:
            del tokens.principals[digest]
            return None
        tokens.principals.move_to_end(digest)
    return principal


def remember(text: str, principal: Principal) -> None:
    """Cache a principal that was just built from the token. A full cache evicts the least recently used entry.

    A principal who must set up a second factor is not cached: they have no permission, so no decision would notice
    that the entry has become stale.
    """
    if principal.must_enrol:
        return
    digest, tokens = _digest(text), _tokens.current
    with tokens.lock:
        tokens.principals[digest] = principal
        tokens.principals.move_to_end(digest)
        if len(tokens.principals) > MAX_CACHED:
            tokens.principals.popitem(last=False)


def forget(text: str) -> None:
    """Drop the entry because something that the principal depends on has changed."""
    tokens = _tokens.current
    with tokens.lock:
        tokens.principals.pop(_digest(text), None)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
