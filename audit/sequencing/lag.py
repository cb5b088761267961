"""How far the sequencer is behind the writers, and the checkpoints behind the sequencer: what is late is said here."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db.models import QuerySet

from audit.sequencing import moments
from audit.sequencing.tree import latest_checkpoint, read_tree
from kernel.clock import database_now
from kernel.observability import metrics


@dataclass(frozen=True, slots=True)
class Lag:
    """``pending`` entries (counted up to ``COUNTED``); ``seconds``: the age of the oldest, 0.0 where there is none."""

    pending: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Delay:
    """In seconds, the age of the oldest entry that has no place in the tree, and of the one with no signature over it."""

    unsequenced: float
    unsigned: float

    @classmethod
    def since(cls, unsequenced: datetime | None, unsigned: datetime | None, now: datetime) -> Self:
        """By the moments when they were written, None where there is no such entry."""
        return cls(_age(unsequenced, now), _age(unsigned, now))

    @property
    def seconds(self) -> float:
        """Of both: why an entry is not proven yet does not matter."""
        return max(self.unsequenced, self.unsigned)

    @property
    def is_late(self) -> bool:
        return is_falling_behind(self.seconds)

    @property
    def is_too_late(self) -> bool:
        return is_too_far_behind(self.seconds)

    @property
    def stops_operations(self) -> bool:
        """What has a place in the tree already holds nobody up."""
        return is_too_far_behind(self.unsequenced)


def read_lag() -> Lag:
    """By the database's clock."""
    return Lag(moments.pending().count(), read_lag_seconds())


def read_lag_seconds() -> float:
    """Its age alone, which costs no count."""
    return _age_of(moments.unsequenced())


def read_delay() -> Delay:
    """By the database's clock."""
    return Delay(read_lag_seconds(), _age_of(moments.unsigned()))


def is_falling_behind(seconds: float) -> bool:
    """Whether whoever writes most is slowed: half-way to the limit."""
    return seconds * 2 >= settings.CC_AUDIT_LAG_LIMIT


def is_too_far_behind(seconds: float) -> bool:
    """Whether operations are refused: ``CC_AUDIT_LAG_LIMIT`` is reached."""
    return seconds >= settings.CC_AUDIT_LAG_LIMIT


def set_gauges() -> None:
    """Tell the metrics how far the log, its tree and its checkpoints have come."""
    lag, checkpoint = read_lag(), latest_checkpoint()
    metrics.audit_lag_seconds.set(lag.seconds)
    metrics.audit_pending_entries.set(lag.pending)
    metrics.audit_tree_size.set(read_tree().size)
    metrics.audit_checkpoint_size.set(checkpoint.size if checkpoint else 0)


def _age_of(since: QuerySet[Any, datetime]) -> float:
    """Seconds since the first of them, 0.0 without one. What is well asks for no clock."""
    moment = since.first()
    return 0.0 if moment is None else _age(moment, database_now())


def _age(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())
