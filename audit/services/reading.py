"""Read the log, limited to what the reader may see."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet, Subquery

from audit.browse.selection import LogCriteria, TrailCriteria, contains_word, is_actor, is_between, parse_id
from audit.log.events import Outcome
from audit.log.operations import has_action
from audit.log.raw_rows import Spelled, any_text, presentable, timestamp_of
from audit.models import AuditLog, AuditTrail, Reader


def find_logs(*, reader: Reader, criteria: LogCriteria) -> QuerySet[AuditLog]:
    """The entries that the reader may see and that match the criteria. Raises Denied."""
    exactly = ("actor_type", "object_id", "outcome", "source", "request_id", "client_ip")
    equal = {name: getattr(criteria, name) for name in exactly}
    found = AuditLog.objects.visible_to(reader).filter(
        **{name: value for name, value in equal.items() if value}
    )
    if criteria.action:
        found = found.filter(has_action(criteria.action))
    if criteria.actor:
        found = found.filter(is_actor(criteria.actor))
    for word in criteria.words:
        found = found.filter(contains_word(word))
    return found.filter(is_between("timestamp", criteria.since, criteria.until))


def last_done(*, action: str, object_id: str = "") -> datetime | None:
    """When the action last succeeded with that object, by any user. Use it only if the reader may see the object.

    Without an object, the action is one of the installation, such as a backup.
    """
    done = AuditLog.objects.filter(action=action, outcome=Outcome.OK.value)
    if object_id:
        done = done.filter(object_id=object_id)
    with any_text():
        return timestamp_of(done.order_by("-id").values_list(Spelled("timestamp"), flat=True).first())


def names_of(user_ids: Iterable[str]) -> dict[str, str]:
    """``{user id: name}``, with the latest name in the log. Use it only if the reader may see what these users did.

    Reads only the newest entry of each user. An id of "" is ignored.
    """
    newest = Q()
    for user_id in {each for each in user_ids if each}:
        entries = AuditLog.objects.filter(user_id=user_id).order_by("-id")
        newest |= Q(id=Subquery(entries.values("id")[:1]))
    if not newest:
        return {}
    with any_text():
        found = list(AuditLog.objects.filter(newest).values_list("user_id", "actor_name").order_by())
    return {str(user_id): str(presentable(name)) for user_id, name in found}


def find_changes(*, reader: Reader, criteria: TrailCriteria) -> QuerySet[AuditTrail]:
    """The changed rows that the reader may see and that match the criteria. Raises Denied."""
    equal = {"table_name": criteria.table_name, "record_id": criteria.record_id}
    found = AuditTrail.objects.visible_to(reader).filter(
        **{name: value for name, value in equal.items() if value}
    )
    if criteria.actor:
        actor = _id_of(criteria.actor)
        found = found.none() if actor is None else found.filter(changed_by=actor)
    return found.filter(is_between("changed_at", criteria.since, criteria.until))


def _id_of(actor: str) -> UUID | None:
    """The user's id of an actor, None if there is no such user.

    The trail has only ids. The log also has names, which are never reused for other users. A separate query, because
    PostgreSQL would otherwise search the log once for each changed row.
    """
    user_id = parse_id(actor)
    if user_id is not None:
        return user_id
    named = AuditLog.objects.filter(actor_name=actor, user_id__isnull=False).order_by("-id")
    return named.values_list("user_id", flat=True).first()
