"""The list of all grants of the installation, with its filters."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from django.db.models import CharField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.db.models.lookups import Exact

from accounts.holders import ids_of_holders_named
from accounts.principals import Principal
from accounts.roles import permission_of
from audit.log.raw_rows import Spelled
from audit.usage.queries import rows_used_since
from kernel.clock import database_now
from kernel.crypto.algorithms import KEY_ALGORITHMS, TRANSIT_ALGORITHMS
from kernel.databases.rows import first_of
from keys.access.services import READ
from keys.lifecycle import operations_of
from keys.models import Key, KeyGrant
from keys.models.grants import ROLE
from keys.models.selection import UNUSED_FOR, in_order, window_after
from keys.models.visibility import HasElement

_NEWEST_FIRST = "-created_at"


class GrantFilter(TypedDict, total=False):
    """Filters of the list. All given members must match.

    ``search``: a part of the name of the holder or the key, or of the tag. ``reach``: ``broad`` for a tag, a role, or
    all operations of a key with several. ``expiry``: ``never``. ``use``: ``unused`` for ``UNUSED_FOR``.
    """

    search: str
    holder: str
    reach: str
    expiry: str
    use: str


@dataclass(frozen=True, slots=True)
class _GrantWindow:
    """One page of the list. ``next_after`` starts the next page; None at the end."""

    grants: Sequence[KeyGrant]
    next_after: UUID | None


def list_grants_after(
    *, principal: Principal, only: GrantFilter, after: UUID | None, limit: int
) -> _GrantWindow:
    """The first ``limit`` grants after the one with the ID ``after``, newest first, with their keys. Raises Denied."""
    visible = _visible(principal)
    ordered = _matching(visible, only).order_by(*in_order(_NEWEST_FIRST, has_nulls=False))
    return _GrantWindow(*window_after(ordered, _NEWEST_FIRST, after=after, among=visible, limit=limit))


def get_grant(*, principal: Principal, grant_id: UUID) -> KeyGrant:
    """One grant with its key, for display only. Raises Denied, NotFound."""
    return first_of(_visible(principal).filter(pk=grant_id))


def _visible(principal: Principal) -> QuerySet[KeyGrant]:
    """The grants on tags, and those on visible keys. MACs are not checked: pages mark an altered row."""
    principal.require(READ)
    keys = Key.objects.visible_to(principal).order_by().values("pk")
    return KeyGrant.objects.filter(Q(key=None) | Q(key__in=keys)).select_related("key")


def _matching(grants: QuerySet[KeyGrant], only: GrantFilter) -> QuerySet[KeyGrant]:
    if "search" in only:
        grants = grants.filter(_contains(only["search"]))
    if "holder" in only:
        grants = grants.filter(principal_type=only["holder"])
    if "reach" in only:
        grants = grants.alias(words=Cast("operations", TextField())).filter(_is_broad())
    if "expiry" in only:
        grants = grants.filter(expires_at=None)
    if "use" in only:
        grants = grants.filter(_is_unused(database_now()))
    return grants


def _contains(search: str) -> Q:
    named = Q(key__name__icontains=search) | Q(tag__icontains=search)
    of_role = Q(principal_type=ROLE, principal_id__icontains=search)
    return named | of_role | Q(principal_id__in=ids_of_holders_named(search))


def _is_broad() -> Q:
    """A grant on a tag, to a role, or for all operations of a key that has more than one."""
    kinds: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for kind in (*KEY_ALGORITHMS, *TRANSIT_ALGORITHMS):
        kinds[kind.purpose, *operations_of(kind.name, kind.purpose)].append(kind.name)
    broad = ~Q(tag="") | Q(principal_type=ROLE)
    for (purpose, *words), algorithms in kinds.items():
        if len(words) > 1:
            every = Q(key__purpose=purpose, key__algorithm__in=algorithms)
            for word in words:
                every &= Q(words__contains=f'"{permission_of(word)}"')
            broad |= every
    return broad


def _is_unused(now: datetime) -> Q:
    """Older grants whose holder, or for a role no one, used the key or a key that has the tag now."""
    since = now - UNUSED_FOR
    is_of_role = Exact(ExpressionWrapper(OuterRef("principal_type"), output_field=CharField()), ROLE)
    used = rows_used_since(since).filter(Q(principal=OuterRef("principal_id")) | Q(is_of_role))
    tagged = Key.objects.filter(HasElement("tags", OuterRef(OuterRef("tag"))))  # noqa: CC2 - grants on tags concern all keys
    of_key = used.filter(key_id=Spelled(OuterRef("key__id")))
    of_tag = used.filter(key_id__in=tagged.ids_as_logged())
    on_key = Q(tag="")
    return Q(created_at__lte=since) & (on_key & ~Exists(of_key) | ~on_key & ~Exists(of_tag))
