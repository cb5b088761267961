"""Read the log, limited to what the reader may see."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet, Subquery

from audit.browse.matching import Matcher
from audit.browse.selection import (
    LogCriteria,
    TrailCriteria,
    any_of,
    contains_word,
    has_request,
    is_between,
    is_object,
    parse_id,
)
from audit.log.events import ActorType, Outcome
from audit.log.object_names import NamedIds, has_part, ids_of, named_by, without_prefix
from audit.log.operations import OPERATION, actions_of, has_action
from audit.log.raw_rows import Spelled, any_text, presentable, timestamp_of
from audit.models import AuditLog, AuditTrail, Reader
from audit.models.logs import AuditLogQuerySet

_INDEXED = ("actor_type", "outcome", "source")  # columns of exact filters

type _Matches = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Selection:
    """The entries that the reader may see and that match the criteria: ``entries`` that match one of ``alternatives``.

    ``is_search``: no index supports a condition, so entries have to be read. ``is_narrow``: a filter with an index limits
    them. ``matches`` decides about each entry of a packed row; None: all of them match. ``names`` are those of objects
    that words of the search begin. If there were too many (not ``has_all_names``), words match whole names only.
    ``is_unnamed``: no visible object has the name that the criteria give.
    """

    entries: AuditLogQuerySet
    alternatives: Sequence[Q]
    is_search: bool
    is_narrow: bool
    matches: _Matches | None
    names: Sequence[str]
    has_all_names: bool
    is_unnamed: bool

    def has_match(self, columns: Mapping[str, Any]) -> bool:
        """Whether an entry of a row that matches does."""
        return self.matches is None or self.matches(columns)


type _Names = Mapping[str, Collection[str]]
"""``{name: ids}`` of the objects that the criteria name (``ids_of``)."""


def select_logs(*, reader: Reader, criteria: LogCriteria, names: _Names | None = None) -> Selection:
    """The entries that match. ``names`` are looked up if not given. Raises Denied."""
    entries = AuditLog.objects.visible_to(reader).filter(
        is_between("timestamp", criteria.since, criteria.until), **_given(criteria, _INDEXED)
    )
    if criteria.actor_type == ActorType.SERVICE_ACCOUNT:
        entries = entries.filter(actor_id__isnull=False)  # true anyway, but idx_audit_logs_account needs it
    if criteria.actor:
        entries = entries.filter(_is_actor(criteria.actor))
    actions = [has_action(each) for each in actions_of(criteria.action)] if criteria.action else []
    # One alternative for each action, unless the ids of an object are the alternatives.
    if criteria.object_id or len(actions) == 1:
        entries, actions = entries.filter(any_of(actions)), []
    found = read_names(reader, criteria) if names is None else NamedIds(names)
    ids = found.ids
    named = ids.get(without_prefix(criteria.object_id).lower(), ())
    # No index: it would slow down every operation.
    rest = Q(client_ip=criteria.client_ip) if criteria.client_ip else Q()
    if criteria.request_id:
        rest &= has_request(criteria.request_id)
    for word in criteria.words:
        # A name adds events and hides none: anyone who creates keys chooses names, such as that of a client program.
        rest &= contains_word(word) | Q(object_id__in=sorted(named_by(word, ids)))
    return Selection(
        entries.filter(rest),
        is_object(criteria.object_id, named) if criteria.object_id else actions,
        is_search=bool(rest) or criteria.action == OPERATION,
        is_narrow=bool(criteria.object_id or criteria.actor or not rest),
        matches=Matcher(criteria, ids).matches if criteria.divides_rows else None,
        names=[name for name in sorted(ids) if any(has_part(name, word) for word in criteria.possible_names)],
        has_all_names=found.has_all,
        is_unnamed=bool(criteria.object_id) and not named and parse_id(criteria.object_id) is None,
    )


def read_names(reader: Reader, criteria: LogCriteria) -> NamedIds:
    """The objects that the criteria name."""
    return ids_of(reader, criteria.possible_names, criteria.possible_beginnings)


def find_logs(*, reader: Reader, criteria: LogCriteria, names: _Names | None = None) -> AuditLogQuerySet:
    """The entries that the reader may see and that match the criteria. Raises Denied."""
    selected = select_logs(reader=reader, criteria=criteria, names=names)
    return selected.entries.filter(any_of(selected.alternatives))


def _given(criteria: LogCriteria, names: Iterable[str]) -> dict[str, str]:
    return {name: value for name in names if (value := getattr(criteria, name))}


def last_done(*, action: str, object_id: str = "") -> datetime | None:
    """When the action last succeeded with that object, by any user. Use it only if the reader may see the object.

    Without an object, the action is one of the installation, such as a backup.
    """
    done = AuditLog.objects.filter(action=action, outcome=Outcome.OK.value)  # noqa: CC2 - the time of the last entry of an action
    if object_id:
        done = done.filter(object_id=object_id)
    with any_text():
        return timestamp_of(done.order_by("-id").values_list(Spelled("timestamp"), flat=True).first())


def logged_names(ids: Iterable[str]) -> dict[str, str]:
    """``{id: name}`` of users and service accounts, with the latest name in the log.

    Use it only if the reader may see what they did. Reads only the newest entry of each. An id of "" is ignored.
    """
    newest = Q()
    for actor_id, column in product({each for each in ids if each}, ("user_id", "actor_id")):
        entries = AuditLog.objects.filter(**{column: actor_id}).order_by("-id")  # noqa: CC2 - the name that belongs to an actor's id
        newest |= Q(id=Subquery(entries.values("id")[:1]))
    if not newest:
        return {}
    columns = ("user_id", "actor_id", "actor_name")
    with any_text():
        found = list(AuditLog.objects.filter(newest).values_list(*columns).order_by())  # noqa: CC2 - the names that belong to actors' ids
    return {str(user or account): str(presentable(name)) for user, account, name in found}


def find_changes(*, reader: Reader, criteria: TrailCriteria) -> QuerySet[AuditTrail]:
    """The changed rows that the reader may see and that match the criteria. Raises Denied."""
    equal = {"table_name": criteria.table_name, "record_id": criteria.record_id}
    found = AuditTrail.objects.visible_to(reader).filter(
        **{name: value for name, value in equal.items() if value}
    )
    if criteria.actor:
        actor_id = parse_id(criteria.actor) or _id_of(criteria.actor)
        found = found.filter(
            _has_actor(AuditTrail.objects.visible_to(reader), actor_id, "changed_by", "actor_id")
        )
    return found.filter(is_between("changed_at", criteria.since, criteria.until))


def _is_actor(actor: str) -> Q:
    """Match the id or, if ``actor`` is not spelled like one, the name of a user or service account."""
    actor_id = parse_id(actor)
    if actor_id is None:
        return Q(actor_name=actor)
    return _has_actor(AuditLog.objects.all(), actor_id, "user_id", "actor_id")  # noqa: CC2 - whether the actor has entries


def _has_actor(rows: QuerySet[Any], actor_id: UUID | None, *columns: str) -> Q:
    """Match an id in those of the columns that contain it. Usually one does, and no index serves several."""
    found = Q(pk__in=())
    for column in columns if actor_id else ():
        if rows.filter(**{column: actor_id}).exists():
            found |= Q(**{column: actor_id})
    return found


def _id_of(name: str) -> UUID | None:
    """The id of the user or service account with this name, None if there is none.

    The trail has only ids. The log also has names: the newest entry decides. A separate query, because PostgreSQL would
    otherwise search the log once for each changed row.
    """
    known = Q(user_id__isnull=False) | Q(actor_id__isnull=False)
    named = AuditLog.objects.filter(known, actor_name=name).order_by("-id")  # noqa: CC2 - the id that belongs to an actor's name
    user, account = named.values_list("user_id", "actor_id").first() or (None, None)
    return user or account
