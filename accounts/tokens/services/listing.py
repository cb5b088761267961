"""List service tokens, also as pages show them: with their last use and the names of their keys."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts.models import ServiceToken
from accounts.principals import Principal
from audit.log import object_names
from audit.log.raw_rows import Spelled
from audit.usage.tokens import TokenUse, last_token_uses, uses_since
from kernel.clock import process_now
from kernel.databases.rows import first_of
from kernel.identities import Identity

MANAGE: Final = "tokens.manage"

_SHOWN_AFTER_END: Final = timedelta(days=30)
_ID_PREFIX: Final = re.compile(r"[0-9a-f]{4,32}")
LIMIT: Final = 100


@dataclass(frozen=True, slots=True)
class ListedToken:
    """A token. ``state`` is ``active``, ``expired``, ``revoked`` or ``altered``.

    ``may_rotate``: it was not rotated yet, and the reader may have its text. ``key_names`` are the names of its keys that the reader may see; ``hidden_keys`` is the number of the others.
    """

    token: ServiceToken
    state: str
    last_use: TokenUse | None
    key_names: list[str]
    hidden_keys: int
    may_rotate: bool

    @property
    def is_active(self) -> bool:
        return self.state == "active"


def list_recent_tokens(*, principal: Principal, owner: Identity) -> list[ListedToken]:
    """The newest ``LIMIT`` tokens of the owner that are active or ended in the last 30 days. Raises Denied."""
    now = process_now()
    found = list_tokens(principal=principal).filter(_owned_by(owner), is_recent(now))
    return describe_tokens(principal, found[:LIMIT], now)


def search_tokens(*, principal: Principal, search: str) -> QuerySet[ServiceToken]:
    """The recent tokens with ``search`` in their names or at the beginning of their IDs. Raises Denied."""
    return list_tokens(principal=principal).filter(
        is_recent(process_now()), Q(name__icontains=search) | _has_id_prefix(search)
    )


def is_recent(now: datetime) -> Q:
    """The tokens that are active or ended in the last 30 days."""
    since = now - _SHOWN_AFTER_END
    return Q(Q(revoked_at=None) | Q(revoked_at__gt=since), expires_at__gt=since)


def is_open(now: datetime) -> Q:
    """The tokens that work, if their owners do."""
    same_sessions = Q(user=None) | Q(subject_version=F("user__subject_version"))
    return Q(same_sessions, revoked_at=None, expires_at__gt=now)


def is_unused_since(timestamp: datetime) -> Q:
    """The tokens that existed then and have had no use since."""
    used = uses_since(timestamp).filter(token_id=Spelled(OuterRef("pk")))
    return Q(~Exists(used), created_at__lte=timestamp)


def _has_id_prefix(text: str) -> Q:
    """A range of IDs, for which the database uses its index."""
    digits = text.replace("-", "").lower()
    if not _ID_PREFIX.fullmatch(digits):
        return Q(pk__in=[])
    return Q(pk__range=(UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))))


def describe_token(*, principal: Principal, token_id: UUID) -> ListedToken:
    """One token. Raises Denied, NotFound, IntegrityFailed."""
    return describe_tokens(principal, [get_token(principal=principal, token_id=token_id)], process_now())[0]


def describe_tokens(principal: Principal, tokens: Iterable[ServiceToken], now: datetime) -> list[ListedToken]:
    """Add to the tokens what pages show. Without a check whether the principal may see them."""
    found = list(tokens)
    uses = last_token_uses(token.id for token in found)
    keys = {key_id for token in found for key_id in token.key_ids or ()}
    names = object_names.visible_names(principal, [("key", key_id) for key_id in keys])
    return [_listed(token, uses.get(str(token.id)), names, now, principal) for token in found]


def _listed(
    token: ServiceToken,
    use: TokenUse | None,
    names: Mapping[tuple[str, str], str],
    now: datetime,
    principal: Principal,
) -> ListedToken:
    key_ids = token.key_ids or []
    shown = sorted(names[each] for key_id in key_ids if (each := ("key", key_id)) in names)
    may_rotate = token.rotated_at is None and token.user_id in {None, principal.user_id}
    return ListedToken(token, _state(token, now), use, shown, len(key_ids) - len(shown), may_rotate)


def _state(token: ServiceToken, now: datetime) -> str:
    if not token.is_authentic:
        return "altered"
    return token.state(now)


def list_tokens(*, principal: Principal) -> QuerySet[ServiceToken]:
    """The tokens that the caller may manage, newest first, revoked and expired ones included. Raises Denied."""
    reach = principal.scope(MANAGE)
    found = ServiceToken.objects.filter(is_issued=False).select_related("user", "service_account")
    if reach != "all":
        found = found.filter(_owned_by(principal.identity))
    return found.order_by("-created_at", "-id")


def get_token(*, principal: Principal, token_id: UUID) -> ServiceToken:
    """Raises Denied, NotFound, IntegrityFailed."""
    return first_of(list_tokens(principal=principal).filter(pk=token_id)).check_mac()


def _owned_by(identity: Identity) -> Q:
    """The tokens of a user or service account, as a query condition."""
    if identity.user_id is not None:
        return Q(user=identity.user_id)
    return Q(service_account=identity.id, service_account__isnull=False)
