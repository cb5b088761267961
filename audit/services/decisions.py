"""Decisions about an object: the user, the time and the reason. Only the log stores them.

Like ``showing``, not imported by ``audit.services``.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Value
from django.db.models.functions import Concat

from audit.log.events import Outcome
from audit.log.raw_rows import timestamp_of
from audit.models import READ_PERMISSION, AuditLog, Integrity, Reader
from audit.services.showing import show_rows


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """One decision. A reader who may not see its entry gets the time only.

    ``at`` is a text if the column was altered to an invalid time. ``until``: when it ends, unless another one ends it first;
    None if it has no end.
    """

    at: datetime | str
    by: str = ""
    reason: str = ""
    action: str = ""
    entry_id: int | None = None
    is_altered: bool = False
    until: datetime | None = None


def find_decisions(
    *, reader: Reader, object_id: str, actions: Collection[str], versions: Collection[int] = ()
) -> Mapping[tuple[str, int | None], RecordedDecision]:
    """The newest success of each action with the object, and with these versions of it: ``{(action, version): …}``.

    One statement. Use it only if the reader may see the object. Raises Denied.
    """
    sees_all = reader.scope(READ_PERMISSION) == "all"
    return {
        (entry.action, entry.object_version): _decision(entry)
        if sees_all or entry.is_by(reader.identity)
        else _times(entry)
        for entry in _newest_successes(object_id, actions, versions)
    }


def find_times(*, object_id: str, actions: Collection[str]) -> Mapping[str, RecordedDecision]:
    """The same without versions, and with times only, for every reader of the object, by action."""
    return {entry.action: _times(entry) for entry in _newest_successes(object_id, actions)}


def _newest_successes(
    object_id: str, actions: Collection[str], versions: Collection[int] = ()
) -> list[AuditLog]:
    # As an expression, the ID uses no index, so the database takes that of the rare actions. By the other index it
    # would read every entry of a busy object: 0.4 s for 300,000 on SQLite.
    objects = AuditLog.objects.alias(object_text=Concat("object_id", Value("")))  # noqa: CC2 - the time of a change
    done = objects.filter(object_text=object_id, action__in=actions, outcome=Outcome.OK.value)
    of_object = done.filter(object_version=None) | done.filter(object_version__in=versions)
    newest = of_object.order_by().values("action", "object_version").annotate(newest=Max("id"))
    return show_rows(AuditLog.objects.filter(id__in=newest.values("newest")))  # noqa: CC2 - the time of a change; the rest only if the reader may see the entry


def _times(entry: AuditLog) -> RecordedDecision:
    return RecordedDecision(entry.timestamp, action=entry.action, until=_end_of(entry.meta))


def _decision(entry: AuditLog) -> RecordedDecision:
    return RecordedDecision(
        at=entry.timestamp,
        by=entry.actor_name or entry.actor_type,
        reason=_text_of(entry.meta, "reason"),
        action=entry.action,
        entry_id=entry.pk,
        is_altered=entry.integrity == Integrity.ALTERED,
        until=_end_of(entry.meta),
    )


def _end_of(meta: str) -> datetime | None:
    return timestamp_of(_text_of(meta, "resumes_at"))


def _text_of(meta: str, name: str) -> str:
    """Empty if the entry has none, or was altered to a text that is not JSON."""
    try:
        return str(json.loads(meta)[name])
    except (KeyError, TypeError, ValueError):
        return ""
