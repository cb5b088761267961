"""Deduplicate refusals: the first of a kind is recorded at once, the rest of a period as one count.

Without this, a client with no permission at all could fill the disk. The table has two limits. Each subject (a user,
a service account or an address) has its own limit, so a client that probes a thousand key ids is still recorded by
name. Everything beyond the total limit goes into one bucket. Anonymous clients can use any number of addresses, so
they get half of the total and cannot hide the refusals of users and service accounts.

Address and token are part of the kind, so use of a stolen token does not appear under the address of its owner. An
entry that counts several refusals has only the actor details that all of them share. The entry of refusals beyond the
limits has one more member, ``sealed``, of a fixed size: only the application can read it (``audit.log.sealed_details``).
"""

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from audit.actions import REFUSALS_OVERFLOWED
from audit.log.events import Actor, Event, Outcome, Source
from audit.log.sealed_details import Details
from kernel.http.addresses import network_of

type _Refusal = tuple[Event, Actor]

_RECORDER = Actor.system("refusal recorder", Source.API)

_DETAILS = ("actor_name", "auth_method", "token_id", "client_ip", "user_agent", "request_id")


@dataclass(slots=True)
class _Bucket:
    event: Event
    actor: Actor
    details: Details | None = None  # of refusals beyond the limits
    count: int = 0

    def add(self, event: Event, actor: Actor) -> None:
        """Count one more refusal. A detail that differs among the counted refusals becomes empty."""
        if self.details:
            self.details.add(event, actor)
        if self.actor is not _RECORDER:
            self.actor = _shared_details(self.actor, actor) if self.count else actor
        self.count += 1

    def counted(self) -> _Refusal:
        meta = {**self.event.meta, **({"sealed": self.details.sealed()} if self.details else {})}
        return replace(self.event, count=self.count, meta=meta), self.actor


@dataclass(slots=True)
class RefusalDeduplicator:
    """Thread-safe counts of refusals to record later. ``capacity`` and ``per_subject`` limit the kinds of refusals.

    ``begin_details`` returns the details of refusals beyond the limits.
    """

    capacity: int = 1000
    per_subject: int = 50
    begin_details: Callable[[], Details | None] = lambda: None
    _buckets: dict[Hashable, _Bucket] = field(default_factory=dict)
    _kinds: Counter[str] = field(default_factory=Counter)
    _anonymous_kinds: int = 0  # kinds of refusals without a user or service account
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def is_first(self, event: Event, actor: Actor) -> bool:
        """Whether the caller must record this refusal now. Otherwise it has been counted."""
        with self._lock:
            subject = _subject(actor)
            kind = _kind(subject, event, actor)
            if kind not in self._buckets and self._has_room(subject, actor):
                self._buckets[kind] = _Bucket(event, actor)
                self._kinds[subject] += 1
                self._anonymous_kinds += _is_anonymous(actor)
                return True
            bucket = self._buckets.get(kind) or self._overflow(subject, actor)
            bucket.add(event, actor)
            return False

    @property
    def has_overflow(self) -> bool:
        """Whether refusals beyond the limits were counted."""
        with self._lock:
            return bool(self._overflow_places())

    def drain(self) -> list[_Refusal]:
        """Remove and return the counted refusals, one per kind with its ``count``."""
        with self._lock:
            buckets = list(self._buckets.values())
            self._buckets.clear()
            self._kinds.clear()
            self._anonymous_kinds = 0
        return _counted(buckets)

    def drain_overflow(self) -> list[_Refusal]:
        """Remove and return only those beyond the limits."""
        with self._lock:
            buckets = [self._buckets.pop(place) for place in self._overflow_places()]
        return _counted(buckets)

    def _overflow_places(self) -> list[Hashable]:
        return [
            place for place, bucket in self._buckets.items() if bucket.event.action == REFUSALS_OVERFLOWED
        ]

    def _has_room(self, subject: str, actor: Actor) -> bool:
        return self._kinds[subject] < self.per_subject and not self._is_full(actor)

    def _is_full(self, actor: Actor) -> bool:
        if _is_anonymous(actor) and self._anonymous_kinds >= self.capacity // 2:
            return True
        return len(self._buckets) >= self.capacity

    def _overflow(self, subject: str, actor: Actor) -> _Bucket:
        place: Hashable = (subject, actor.source)
        if place not in self._buckets and self._is_full(actor):
            place, subject, actor = "", "", _RECORDER
        if bucket := self._buckets.get(place):
            return bucket
        # An IPv6 network is one subject, but its addresses may all differ.
        meta = {"network": subject} if ":" in subject else {}
        event = Event(action=REFUSALS_OVERFLOWED, outcome=Outcome.DENIED, meta=meta)
        self._buckets[place] = _Bucket(event, actor, self.begin_details())
        return self._buckets[place]


def _counted(buckets: Iterable[_Bucket]) -> list[_Refusal]:
    return [bucket.counted() for bucket in buckets if bucket.count]


def _shared_details(one: Actor, other: Actor) -> Actor:
    differing = [name for name in _DETAILS if getattr(one, name) != getattr(other, name)]
    return replace(one, **dict.fromkeys(differing, ""))


def _is_anonymous(actor: Actor) -> bool:
    return actor.user_id is None and actor.actor_id is None


def _subject(actor: Actor) -> str:
    return str(actor.user_id or actor.actor_id or network_of(actor.client_ip))


def _kind(subject: str, event: Event, actor: Actor) -> Hashable:
    return (
        subject,
        actor.actor_name,
        actor.client_ip,
        actor.token_id,
        actor.source,
        event.action,
        event.outcome,
        event.code,
        event.object_type,
        event.object_id,
        event.meta_text,
    )
