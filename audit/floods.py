"""Refusals in a flood: the first of a kind is told at once, the rest of a period as one number.

Without it, whoever may not do anything could still fill the disk. The table is bounded twice: one subject
(a user, or an address) has its own bound, so that a client who probes a thousand key ids is still told by
name, and everything beyond the whole bound ends in one bucket.
"""

import threading
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field

from msgspec.structs import replace

from audit.actions import REFUSALS_OVERFLOWED
from audit.events import Actor, Event, Outcome, Source
from ciphercanary.addresses import network_of

type Refusal = tuple[Event, Actor]

RECORDER = Actor.system("refusal recorder", Source.API)


@dataclass(slots=True)
class _Bucket:
    event: Event
    actor: Actor
    count: int = 0


@dataclass(slots=True)
class FloodTable:
    """Counts of what is told later; safe for threads. ``capacity`` and ``per_subject`` are kinds of refusals."""

    capacity: int = 1000
    per_subject: int = 50
    _buckets: dict[Hashable, _Bucket] = field(default_factory=dict)
    _kinds: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def is_first(self, event: Event, actor: Actor) -> bool:
        """Whether to write this refusal now; otherwise it has been counted."""
        with self._lock:
            subject = _subject(actor)
            kind = _kind(subject, event, actor)
            if kind not in self._buckets and self._has_room(subject):
                self._buckets[kind] = _Bucket(event, actor)
                self._kinds[subject] += 1
                return True
            bucket = self._buckets.get(kind) or self._overflow(subject, actor)
            bucket.count += 1
            return False

    def drain(self) -> list[Refusal]:
        """What was counted, one refusal per kind with its ``count``; the table is empty afterwards."""
        with self._lock:
            counted = [bucket for bucket in self._buckets.values() if bucket.count]
            self._buckets.clear()
            self._kinds.clear()
        return [(replace(bucket.event, count=bucket.count), bucket.actor) for bucket in counted]

    def _has_room(self, subject: str) -> bool:
        return len(self._buckets) < self.capacity and self._kinds[subject] < self.per_subject

    def _overflow(self, subject: str, actor: Actor) -> _Bucket:
        if subject not in self._buckets and len(self._buckets) >= self.capacity:
            subject, actor = "", RECORDER
        elif actor.user_id is None:
            # Many names were tried from there: the first of them must not stand for the others.
            actor = Actor.anonymous(actor.client_ip, "", "", actor.source)
        event = Event(action=REFUSALS_OVERFLOWED, outcome=Outcome.DENIED)
        return self._buckets.setdefault(subject, _Bucket(event, actor))


def _subject(actor: Actor) -> str:
    return str(actor.user_id or network_of(actor.client_ip) or "unknown")


def _kind(subject: str, event: Event, actor: Actor) -> Hashable:
    return (
        subject,
        actor.actor_name,
        event.action,
        event.outcome,
        event.code,
        event.object_type,
        event.object_id,
    )
