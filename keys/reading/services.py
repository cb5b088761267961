"""Reading keys, limited to those that the principal may see."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypedDict
from uuid import UUID

from django.db.models import Count, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now

from accounts.authorization import READ_KEYS
from accounts.principals import Principal
from kernel.clock import database_now
from kernel.databases.rows import first_of
from kernel.errors import Invalid, NotFound
from kernel.trust.row_heads import current_rows
from keys.lifecycle import State, Status
from keys.metadata import stored_name
from keys.models import Key, KeyGrant, KeyQuerySet, KeyVersion
from keys.models.selection import Finding, fold, in_order, window_after
from keys.models.transit import transit_name_of
from keys.models.visibility import visible_parts
from keys.reach import out_of_reach
from keys.references import KeyReference
from keys.ring import metadata_cache
from keys.ring.key_loading import id_within_reach

_NEWEST_TAGGED: Final = 500
_FREQUENT_TAGS: Final = 20
EXPIRY_DAYS: Final = (1, 7, 30)  # periods for which the metrics count the keys that expire within them


MAX_CHOSEN: Final = 500

# The lookups of filters that compare one column.
_LOOKUPS: Final = {
    "name": "name",
    "purpose": "purpose",
    "state": "state",
    "policy_id": "policy",
    "policy_name": "policy__name",
    "expires_before": "expires_at__lt",
}


class KeyFilter(TypedDict, total=False):
    """Filters of a key list. All given members must match."""

    name: str
    algorithm: str
    purpose: str
    status: Status
    state: State
    finding: Finding
    tag: str
    policy_name: str
    search: str
    policy_id: UUID
    expires_before: datetime
    ordering: str


def get_key(*, principal: Principal, key_id: UUID) -> Key:
    """The key, for display only: no decision may depend on it. Raises ``out_of_reach``, IntegrityFailed."""
    known = metadata_cache.find(principal, key_id)
    if known is not None:
        return known
    key = Key.objects.within_reach_of(principal).filter(pk=key_id).first()
    if key is None:
        raise out_of_reach(principal, key_id)
    metadata_cache.keep(principal, _check(principal, key))
    return key


def id_of_key(*, principal: Principal, reference: KeyReference) -> UUID:
    """The ID of the key that the caller named. Raises NotFound for a name that no key within their reach has.

    An ID costs no query, because its use checks the reach.
    """
    if isinstance(reference, UUID):
        return reference
    return id_within_reach(principal=principal, reference=reference)


def list_keys(*, principal: Principal, only: KeyFilter) -> KeyQuerySet:
    """The visible keys that match, in an order without ties. Raises UnsupportedAlgorithm.

    MACs are not checked here, because one altered row must not hide the others. They are checked before a key is
    used or changed.
    """
    given: Mapping[str, object] = only
    lookups = {lookup: given[name] for name, lookup in _LOOKUPS.items() if name in given}
    keys = Key.objects.visible_to(principal).filter(**lookups)
    if "algorithm" in only:
        keys = keys.filter(algorithm=stored_name(only["algorithm"]))
    if "status" in only or "finding" in only:
        now = database_now()  # a statement on PostgreSQL
        keys = keys.with_status(only["status"], now) if "status" in only else keys
        keys = keys.with_finding(only["finding"], now) if "finding" in only else keys
    if "tag" in only:
        keys = keys.tagged(only["tag"])
    if "search" in only:
        keys = keys.search(only["search"])
    ordering = only.get("ordering", "name")
    return keys.order_by(*in_order(ordering, has_nulls=Key._meta.get_field(ordering.removeprefix("-")).null))


@dataclass(frozen=True, slots=True)
class _KeyWindow:
    """One page of a key list. ``next_after`` starts the next page; None at the end."""

    keys: Sequence[Key]
    next_after: UUID | None


def list_keys_after(
    *, principal: Principal, only: KeyFilter, after: UUID | None, limit: int, relations: Sequence[str] = ()
) -> _KeyWindow:
    """The first ``limit`` keys of ``list_keys`` after the key with the ID ``after``, or the first of all.

    The same statement reads their ``relations``: ``policy``, ``created_by``.
    """
    keys = list_keys(principal=principal, only=only)
    if relations:  # without a name, Django would follow every relation
        keys = keys.select_related(*relations)
    ordering, visible = only.get("ordering", "name"), Key.objects.visible_to(principal)
    return _KeyWindow(*window_after(keys, ordering, after=after, among=visible, limit=limit))


def list_chosen(*, principal: Principal, key_ids: Iterable[UUID]) -> Sequence[Key]:
    """The visible keys among ``key_ids``, by name. Raises Denied, Invalid for more than ``MAX_CHOSEN``."""
    wanted = set(key_ids)
    if len(wanted) > MAX_CHOSEN:
        raise Invalid.of_field("key", f"Choose at most {MAX_CHOSEN} keys.")
    return list(
        Key.objects.visible_to(principal).filter(pk__in=wanted).select_related("policy").order_by("name")
    )


def find_key(*, principal: Principal, name: str) -> Key:
    """The key with this name, for display only: no decision may depend on it. Raises NotFound, IntegrityFailed.

    ``successor_name`` and ``predecessor_name`` are those of visible keys, or None.
    """
    visible = Key.objects.visible_to(principal)
    linked = {
        "successor_name": visible.filter(pk=OuterRef("successor")),
        "predecessor_name": visible.filter(successor=OuterRef("pk")),
    }
    names = {column: Subquery(keys.order_by().values("name")[:1]) for column, keys in linked.items()}
    found = visible.select_related("created_by", "policy").annotate(**names)
    key = first_of(found.filter(name=name))
    return _check(principal, key)


def _check(principal: Principal, key: Key) -> Key:
    """The key, after checking its MAC and those of the grants by which the principal sees it.

    Raises IntegrityFailed, and NotFound if the MAC of the key does not cover the tags by which they see it.
    """
    key.check_mac()
    if principal.sees_all(READ_KEYS) or key.owner == principal.identity:
        return key
    of_key = Q(key=key.id) | Q(tag__in=key.granting_tags)
    if not list(current_rows(KeyGrant.objects.of(principal).in_force(Now()).filter(of_key))):
        raise NotFound
    return key


def key_named(*, principal: Principal, name: str) -> Key | None:
    """The visible key with this name, or None.

    Only ``create_key`` reports that another user's key has the name, because it also records the caller.
    """
    return Key.objects.within_reach_of(principal).filter(name=name).first()


def keys_named(*, principal: Principal, names: Sequence[str]) -> list[Key]:
    """The visible keys with these names or, of transit keys, MOUNT/NAME, in this order.

    Raises Invalid, with the field ``keys``, and IntegrityFailed.
    """
    reached = Key.objects.within_reach_of(principal)
    found = {key.name: key for key in reached.filter(name__in=names)}
    if of_transit := [name.rpartition("/")[2] for name in names if "/" in name]:
        transit = reached.filter(transit__name__in=of_transit).select_related("transit")
        found |= {transit_name_of(key): key for key in transit}
    if unknown := [name for name in names if name not in found]:
        raise Invalid.of_field("keys", f"There is no key named {unknown[0]}.")
    return [found[name] for name in names]


def names_out_of_reach(*, principal: Principal, owner: Principal, key_ids: Iterable[UUID | str]) -> list[str]:
    """The names of those keys that the principal sees, and that do not exist for the owner of a token."""
    visible = Key.objects.visible_to(principal).filter(pk__in=key_ids)
    reached = Key.objects.within_reach_of(owner).order_by().values("pk")
    return list(visible.exclude(pk__in=reached).order_by("name").values_list("name", flat=True))


def frequent_tags(*, principal: Principal, search: str = "") -> list[str]:
    """The most frequent tags of the newest visible keys that have tags, sorted. Bounded on both sides.

    ``search``: only tags that contain every word of it.
    """
    tagged = Key.objects.visible_to(principal).exclude(tags=[]).search(search).order_by("-created_at")
    newest = tagged.values_list("tags", flat=True)[:_NEWEST_TAGGED]
    words = fold(search).split()
    counts = Counter(tag for tags in newest for tag in tags if all(word in fold(tag) for word in words))
    return sorted(tag for tag, _ in counts.most_common(_FREQUENT_TAGS))


def ids_of_own_keys(*, principal: Principal) -> QuerySet[Key, str] | None:
    """The IDs of visible keys in the audit log's format, to count log entries. None if the principal sees all keys."""
    if principal.scope("keys.read") == "all":
        return None
    first, *others = [Key.objects.filter(part).ids_as_logged() for part in visible_parts(principal)]  # noqa: CC2 - the parts of visible_parts
    return first.union(*others, all=True)


def list_versions(*, principal: Principal, key_id: UUID) -> QuerySet[KeyVersion]:
    """The versions of a visible key, newest first. Raises Denied, NotFound."""
    principal.require("keys.read")
    key = get_key(principal=principal, key_id=key_id)
    return key.versions.order_by("-version")


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """Numbers of active keys. ``overdue_seconds``: the age of the oldest overdue rotation; 0.0 without one."""

    active: int
    overdue: int
    overdue_seconds: float
    expiring: Mapping[int, int]


def measure_keys() -> KeyFigures:
    """Figures of all keys, regardless of visibility, for the metrics. One query."""
    now = database_now()
    found = Key.objects.with_status(Status.ACTIVE, now).aggregate(  # noqa: CC2 - numbers for the gauges
        active=Count("pk"),
        overdue=Count("pk", filter=Q(next_rotation_at__lte=now)),
        next_rotation_at=Min("next_rotation_at"),
        **{f"expiring_{days}": Count("pk", filter=_expires_within(days, now)) for days in EXPIRY_DAYS},
    )
    due_since = min(found["next_rotation_at"] or now, now)
    expiring = {days: found[f"expiring_{days}"] for days in EXPIRY_DAYS}
    return KeyFigures(found["active"], found["overdue"], (now - due_since).total_seconds(), expiring)


def _expires_within(days: int, now: datetime) -> Q:
    return Q(expires_at__lte=now + timedelta(days=days))
