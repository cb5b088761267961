"""The lag of the sequencer behind the writers, and of the checkpoints behind the sequencer, with its limits."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db.models import QuerySet, Sum

from audit.sequencing import timestamps
from audit.sequencing.tree import latest_checkpoint, read_tree
from kernel.clock import database_now
from kernel.observability import metrics


@dataclass(frozen=True, slots=True)
class Lag:
    """``pending`` entries wait. ``seconds`` is the age of the oldest, 0.0 without any."""

    pending: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Delay:
    """The ages in seconds of the oldest entry that is not in the tree, and of the oldest in it that is not signed."""

    unsequenced: float
    unsigned: float

    @classmethod
    def since(cls, unsequenced: datetime | None, unsigned: datetime | None, now: datetime) -> Self:
        """From the times at which these entries were written. None if there is no such entry."""
        return cls(_age(unsequenced, now), _age(unsigned, now))

    @property
    def seconds(self) -> float:
        """The larger of both: the reason why an entry is not proven yet does not matter."""
        return max(self.unsequenced, self.unsigned)

    @property
    def is_late(self) -> bool:
        return is_falling_behind(self.seconds)

    @property
    def is_too_late(self) -> bool:
        return is_too_far_behind(self.seconds)

    @property
    def stops_operations(self) -> bool:
        """Entries that are already in the tree do not stop operations."""
        return is_too_far_behind(self.unsequenced)


def read_lag() -> Lag:
    """Uses the database clock."""
    total = timestamps.waiting().aggregate(total=Sum("entries"))["total"]
    return Lag(int(total or 0), read_lag_seconds())


def read_lag_seconds() -> float:
    """The age alone, without the cost of counting."""
    return _age_of(timestamps.unsequenced())


def read_delay() -> Delay:
    """Uses the database clock."""
    return Delay(read_lag_seconds(), _age_of(timestamps.unsigned()))


def is_falling_behind(seconds: float) -> bool:
    """Whether the principal that writes most is throttled: half of the limit is reached."""
    return seconds * 2 >= settings.CC_AUDIT_LAG_LIMIT


def is_too_far_behind(seconds: float) -> bool:
    """Whether operations are refused: ``CC_AUDIT_LAG_LIMIT`` is reached."""
    return seconds >= settings.CC_AUDIT_LAG_LIMIT


def set_gauges() -> None:
    """Update the metrics of the log, its tree and its checkpoints."""
    lag, checkpoint = read_lag(), latest_checkpoint()
    metrics.audit_lag_seconds.set(lag.seconds)
    metrics.audit_pending_entries.set(lag.pending)
    metrics.audit_tree_size.set(read_tree().size)
    metrics.audit_checkpoint_size.set(checkpoint.size if checkpoint else 0)


def _age_of(since: QuerySet[Any, datetime]) -> float:
    """Seconds since the first time; 0.0 without one. The database clock is read only if needed."""
    timestamp = since.first()
    return 0.0 if timestamp is None else _age(timestamp, database_now())


def _age(timestamp: datetime | None, now: datetime) -> float:
    return 0.0 if timestamp is None else max(0.0, (now - timestamp).total_seconds())
