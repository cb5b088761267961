"""Decisions about operations: results that may be released once their entries are durable."""

from abc import abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property

from msgspec import Struct

from audit.log.bundles import Entry, kind_of
from audit.log.events import Actor, Event
from kernel.errors import DomainError
from kernel.freshness.stamps import EpochStamp, StaleDecision, entities_of, outdated

_NEVER = datetime.max.replace(tzinfo=UTC)


class Deadline(Struct, frozen=True):
    """From ``at`` (aware, database clock) on, ``error`` replaces the result: for example, a key has expired."""

    at: datetime
    error: Callable[[], DomainError]


class Grounds(Struct, dict=True, eq=False, kw_only=True):
    """The common part of decisions: who does what, and why and how long they may.

    ``stamps`` cover all cached data that the decisions depend on. Entries of ``not_before`` work like ``deadlines``
    the other way round: *until* their time, their error replaces the result.
    """

    event: Event
    actor: Actor
    stamps: tuple[EpochStamp, ...] = ()
    deadlines: tuple[Deadline, ...] = ()
    not_before: tuple[Deadline, ...] = ()

    @cached_property
    def kind(self) -> bytes:
        """The kind of the decisions' entries. Raises ValueError if they do not fit a row of the log."""
        return kind_of(self.event, self.actor)

    @cached_property
    def not_after(self) -> datetime:
        """The earliest deadline."""
        return min((deadline.at for deadline in self.deadlines), default=_NEVER)

    def are_certain(self, epoch: int) -> bool:
        """Whether only the deadlines can refuse: nothing has changed, and there is no time to wait for."""
        for stamp in self.stamps:  # no list: this is the hot path
            if stamp.as_of != epoch or stamp.is_old:
                return False
        return not self.not_before

    def require_current(self, epoch: int, now: datetime) -> None:
        """Raises StaleDecision, or the error of a deadline that has passed or of a start that is still ahead."""
        if stale := outdated(self.stamps, epoch):
            raise StaleDecision(frozenset(entities_of(stale)))
        for start in self.not_before:
            if now < start.at:
                raise start.error()
        for deadline in self.deadlines:
            if now >= deadline.at:
                raise deadline.error()


class Decision[T](Struct, frozen=True):
    """One decision. Each operation extends it by what ``finish`` needs.

    ``size`` (bytes) and ``request_id`` are those of the entry, if its event and actor do not have them.
    """

    grounds: Grounds
    size: int | None = None
    request_id: str = ""

    def __repr__(self) -> str:  # plaintexts must stay out of logs and tracebacks
        return f"<{type(self).__name__}>"

    @abstractmethod
    def finish(self) -> T:
        """The result, which may be released once the entry is durable."""

    def entry(self, event_id: str) -> Entry:
        """The entry. Raises ValueError if it does not fit a row of the log."""
        grounds = self.grounds
        size = grounds.event.size if self.size is None else self.size
        return Entry(grounds.kind, event_id, self.request_id or grounds.actor.request_id, size)


class Ready[T](Decision[T], frozen=True, kw_only=True):
    """A decision whose result is known already, because the result decides about refusals."""

    result: T

    def finish(self) -> T:
        return self.result
