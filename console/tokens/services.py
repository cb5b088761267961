"""The list of all service tokens of the installation, with its filters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypedDict
from uuid import UUID

from django.db.models import F, Q, QuerySet, TextField
from django.db.models.functions import Cast

from accounts.models import ServiceToken
from accounts.models.roles import list_rights
from accounts.principals import KEY_WORDS, Principal
from accounts.service_accounts.services.tokens import scopes_for
from accounts.tokens.services.listing import (
    ListedToken,
    describe_tokens,
    is_open,
    is_recent,
    is_unused_since,
)
from kernel.clock import process_now
from keys.models.selection import UNUSED_FOR, in_order, window_after

READ: Final = "users.read"
LONG: Final = timedelta(days=90)
_NEWEST_FIRST: Final = "-created_at"


class TokenFilter(TypedDict, total=False):
    """Filters of the list. All given members must match.

    ``search``: a part of the name. ``state``: ``active``. ``reach``: ``broad`` for operations with keys without a limit to
    some keys, or all operations of the owner's role. ``lifetime``: ``long`` for more than ``LONG``. ``use``: ``unused``
    for ``UNUSED_FOR``.
    """

    search: str
    state: str
    reach: str
    lifetime: str
    use: str


@dataclass(frozen=True, slots=True)
class _TokenWindow:
    """One page of the list. ``next_after`` starts the next page; None at the end."""

    tokens: Sequence[ListedToken]
    next_after: UUID | None


def list_tokens_after(
    *, principal: Principal, only: TokenFilter, after: UUID | None, limit: int
) -> _TokenWindow:
    """The first ``limit`` tokens after the one with the ID ``after``, newest first: active, or recently ended.

    Raises Denied.
    """
    principal.require(READ)
    now = process_now()
    recent = ServiceToken.objects.filter(is_recent(now), is_issued=False)
    ordered = _matching(recent, only, now).order_by(*in_order(_NEWEST_FIRST, has_nulls=False))
    tokens, next_after = window_after(
        ordered.select_related("user", "service_account"),
        _NEWEST_FIRST,
        after=after,
        among=recent,
        limit=limit,
    )
    return _TokenWindow(describe_tokens(principal, tokens, now), next_after)


def _matching(tokens: QuerySet[ServiceToken], only: TokenFilter, now: datetime) -> QuerySet[ServiceToken]:
    if "search" in only:
        tokens = tokens.filter(name__icontains=only["search"])
    if "state" in only:
        tokens = tokens.filter(is_open(now))
    if "reach" in only:
        tokens = tokens.alias(words=Cast("scopes", TextField())).filter(_is_broad())
    if "lifetime" in only:
        tokens = tokens.filter(expires_at__gt=F("created_at") + LONG)
    if "use" in only:
        tokens = tokens.filter(is_unused_since(now - UNUSED_FOR))
    return tokens


def _is_broad() -> Q:
    with_keys = Q()
    for prefix in KEY_WORDS:
        with_keys |= Q(words__contains=f'"{prefix}')
    broad = Q(key_ids__isnull=True) & with_keys
    for rights in list_rights():
        every = Q(user__role=rights.role) | Q(service_account__role=rights.role)
        for scope in sorted(scopes_for(rights)):
            every &= Q(words__contains=f'"{scope}"')
        broad |= every
    return broad
