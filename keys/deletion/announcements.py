"""Notify of scheduled deletions, and of those that could not be done."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from accounts.principals import Principal
from kernel.outbox.publishing import Announcement, publish
from kernel.outbox.topics import Severity, Topic
from keys.models import Key

_SCHEDULED: Final = Topic(
    word="key.deletion_scheduled",
    label="Deletion scheduled",
    severity=Severity.WARNING,
    text=(
        "{by} scheduled the deletion of {what} for {at}. Until then, it cannot be used, and the deletion can be cancelled."
    ),
)
_OVERDUE: Final = Topic(
    word="key.destruction_overdue",
    label="Destruction overdue",
    severity=Severity.CRITICAL,
    text="Material of the key {name} was due for destruction on {at} and still exists ({error_code}).",
)
TOPICS: Final = (_SCHEDULED, _OVERDUE)


def announce_scheduled_deletion(
    principal: Principal, key: Key, at: datetime, *, version: int | None = None
) -> None:
    what = f"the key {key.name}" if version is None else f"version {version} of the key {key.name}"
    _publish_about(
        key,
        _SCHEDULED,
        f"{version or 'key'}:{at:%Y-%m-%dT%H:%M:%S.%f}",
        {"by": principal.actor.actor_name, "what": what, "at": f"{at:%Y-%m-%d %H:%MZ}", "version": version},
    )


def announce_overdue_destruction(
    key: Key, due_at: datetime, now: datetime, *, version: int | None, error_code: str
) -> None:
    """Once a day for each key."""
    facts = {"at": f"{due_at:%Y-%m-%d %H:%MZ}", "version": version, "error_code": error_code}
    _publish_about(key, _OVERDUE, f"{now:%Y-%m-%d}", facts)


def _publish_about(key: Key, topic: Topic, event: str, facts: Mapping[str, object]) -> None:
    publish(
        Announcement(
            topic=topic.word,
            dedup_key=f"{topic.word}:{key.id}:{event}",
            object_type="key",
            object_id=str(key.id),
            object_name=key.name,
            facts=facts,
        )
    )
