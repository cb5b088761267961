"""Publish what is ahead of keys: expiries, overdue rotations, deletions, and denied uses of keys that will be destroyed.

Each key is in the most urgent step only: one that expires in five days gets no notification about thirty. A rotation that
is due is not published, because the server does it; one that is overdue has failed.
"""

from datetime import datetime
from typing import Final

from django.db.models import Exists, OuterRef, QuerySet

from accounts.principals import Principal
from audit.log.events import Source
from audit.log.raw_rows import Spelled
from audit.usage.queries import rows_denied_since
from audit.usage.sums import DAY
from kernel.clock import database_now
from kernel.outbox.publishing import Announcement
from keys.lifecycle import State, Status
from keys.models import Key
from keys.models.selection import DENIED_WITHIN, has_status
from notifications.services.conditions import Watched, publish_new
from notifications.topics import DELETION_AHEAD, DELETION_DENIED_USE, EXPIRING, ROTATION_OVERDUE

_DAYS_AHEAD: Final = {"1 day": DAY, "7 days": 7 * DAY, "30 days": 30 * DAY}
_DELETION_STEPS: Final = {"24 hours": DAY, "72 hours": 3 * DAY, "7 days": 7 * DAY}
_OVERDUE: Final = Watched(
    topic=ROTATION_OVERDUE, object_type="key", column="next_rotation_at", page="keys/?finding=overdue"
)
_EXPIRING: Final = Watched(
    topic=EXPIRING, object_type="key", column="expires_at", page="keys/?finding=expiring"
)
_DELETED: Final = Watched(
    topic=DELETION_AHEAD, object_type="key", column="deletion_at", page="keys/?status=scheduled"
)
_DENIED_PAGE: Final = "keys/?finding=deletion_denied"
PAGES: Final = (_OVERDUE.page, _EXPIRING.page, _DELETED.page, _DENIED_PAGE)
_PRINCIPAL: Final = Principal.system("key watch", Source.SCHEDULER)


def watch_keys() -> None:
    """One scan. Several workers may run it at the same time: each notification is stored once."""
    now = database_now()
    keys = Key.objects.visible_to(_PRINCIPAL)
    active = keys.filter(has_status(Status.ACTIVE, now))
    deleted = keys.filter(state=State.DELETION_SCHEDULED)
    _OVERDUE.publish_past(active, now, now, within="overdue")
    _EXPIRING.publish_ahead(active, _DAYS_AHEAD, now)
    _DELETED.publish_ahead(deleted, _DELETION_STEPS, now)
    _publish_denials(deleted, now)


def _publish_denials(deleted: QuerySet[Key], now: datetime) -> None:
    """One notification a day for each key. Denials before its deletion was scheduled do not count.

    ``DENIED_WITHIN`` is longer than the pause between two scans, so none is missed.
    """
    denied = rows_denied_since(now - DENIED_WITHIN).filter(
        key_id=Spelled(OuterRef("id")), last_at__gte=OuterRef("deletion_scheduled_at")
    )
    rows = list(deleted.filter(Exists(denied)).order_by("id").values_list("id", "name"))
    new = (_denial(key_id, name, now) for key_id, name in rows)
    publish_new(new, DELETION_DENIED_USE, now, page=_DENIED_PAGE)


def _denial(key_id: object, name: str, now: datetime) -> Announcement:
    return Announcement(
        topic=DELETION_DENIED_USE.word,
        dedup_key=f"{DELETION_DENIED_USE.word}:{key_id}:{now:%Y-%m-%d}",
        object_type="key",
        object_id=str(key_id),
        object_name=name,
    )
