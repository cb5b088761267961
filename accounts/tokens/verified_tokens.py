"""Cache of access tokens that this process has verified.

A lookup takes a microsecond, a signature check a hundred. An entry is the principal as built at verification,
with its stamp. The commit of an operation compares the stamp with the database (``audit.commit``), and a refusal or a
response without a commit does so itself (``accounts.tokens.authentication.require_current_rights``). So a token that any process
has revoked since is refused.
"""

import hashlib
from collections import OrderedDict
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import Final

from accounts.origin import Origin
from accounts.principals import Principal
from kernel.runtime import ProcessState

MAX_CACHED: Final = 10_000
_MAX_PLACES: Final = 100  # of one token


class _Verified:
    """A principal, and the same principal as acting from each place: an address and a user agent."""

    __slots__ = ("places", "principal")

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.places: dict[tuple[str, str], Principal] = {}


class _Tokens:
    def __init__(self) -> None:
        self.lock = Lock()
        # Keyed by digest, so that a memory dump contains no token.
        self.verified: OrderedDict[bytes, _Verified] = OrderedDict()


_tokens = ProcessState(_Tokens)


def find(text: str, now: datetime) -> Principal | None:
    """The principal as built when the token was verified, or None if the token must be verified."""
    verified = _find(text, now)
    return None if verified is None else verified.principal


def find_caller(text: str, client_ip: str, user_agent: str, now: datetime) -> Principal | None:
    """``find``, acting from this place, without a request id. The same object for all requests from there."""
    verified = _find(text, now)
    if verified is None:
        return None
    caller = verified.places.get((client_ip, user_agent))
    if caller is None:
        if len(verified.places) >= _MAX_PLACES:
            verified.places.clear()
        origin = Origin(client_ip=client_ip, user_agent=user_agent, request_id="")
        caller = replace(verified.principal, actor=origin.actor_like(verified.principal.actor))
        verified.places[client_ip, user_agent] = caller
    return caller


def _find(text: str, now: datetime) -> _Verified | None:
    digest, tokens = _digest(text), _tokens.current
    with tokens.lock:
        verified = tokens.verified.get(digest)
        if verified is None:
            return None
        not_after = verified.principal.not_after
        if not_after is not None and not_after <= now:
            del tokens.verified[digest]
            return None
        tokens.verified.move_to_end(digest)
    return verified


def remember(text: str, principal: Principal) -> None:
    """Cache a principal that was just built from the token. A full cache evicts the least recently used entry.

    A principal who must set up a second factor is not cached: they have no permission, so no decision would notice
    that the entry has become stale.
    """
    if principal.must_enrol:
        return
    digest, tokens = _digest(text), _tokens.current
    with tokens.lock:
        tokens.verified[digest] = _Verified(principal)
        tokens.verified.move_to_end(digest)
        if len(tokens.verified) > MAX_CACHED:
            tokens.verified.popitem(last=False)


def forget(text: str) -> None:
    """Drop the entry because something that the principal depends on has changed."""
    tokens = _tokens.current
    with tokens.lock:
        tokens.verified.pop(_digest(text), None)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
