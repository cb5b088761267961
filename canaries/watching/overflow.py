"""Canaries that refusals beyond the limits touched (``audit.log.sealed_details``).

A web process has the opened set in memory only while there are such refusals. The lookup is the same for every id:
one that names no canary counts under its own place, too.
"""

import logging
import secrets
from collections import Counter
from collections.abc import Mapping
from typing import Final

import django.db
from django.core.exceptions import ObjectDoesNotExist

from audit.log.events import Actor, Event
from canaries.documents import CanarySet
from canaries.sealed.sealing import COUNTS_BYTES, seal_counts
from canaries.sealed.store import read_set
from canaries.watching.matching import Matcher, Row, named_by
from kernel.crypto.encoding import encode_base64
from kernel.errors import DomainError
from kernel.runtime import ProcessState

logger = logging.getLogger(__name__)

_MOST_WAITING: Final = 50_000  # names of one entry, until the set is open
_NONE: Final = ()

type _Named = Mapping[str, tuple[str, ...]]  # a name -> ids of canaries


class _CountedNames:
    """How often each canary was touched by the refusals of one entry."""

    def __init__(self, source: "_OpenedNames") -> None:
        self._source = source
        self._touches: dict[tuple[str, ...], int] = {}
        self._waiting: dict[str, int] = {}  # names, while the set is not open

    def add(self, event: Event, actor: Actor) -> None:
        named, touches, waiting = self._source.named, self._touches, self._waiting
        for name in set(named_by(_row_of(event, actor))):
            if named is not None:
                ids = named.get(name, _NONE)
                touches[ids] = touches.get(ids, 0) + 1
            elif len(waiting) < _MOST_WAITING:
                waiting[name] = waiting.get(name, 0) + 1

    def sealed(self) -> str:
        """If the set or the key cannot be read, the text has no touches. The watcher needs both and raises an alarm."""
        named = self._source.named or {}
        touches = Counter[str]()
        looked_up = [(named.get(name, _NONE), count) for name, count in self._waiting.items()]
        for ids, count in [*self._touches.items(), *looked_up]:
            touches.update(dict.fromkeys(ids, count))
        try:
            sealed = seal_counts(touches)
        except (DomainError, ObjectDoesNotExist, django.db.Error):
            logger.exception("the details of refusals could not be sealed")
            sealed = secrets.token_bytes(COUNTS_BYTES)
        return encode_base64(sealed)


class _OpenedNames:
    """The opened set by name, as it was up to a second ago. ``named`` is None while it is not in memory."""

    def __init__(self) -> None:
        self.named: _Named | None = None
        self._set: CanarySet | None = None

    def refresh(self) -> None:
        try:
            canaries = read_set()
            if canaries is not self._set:
                matcher = Matcher(canaries)
                self.named = {
                    name: tuple(str(canary.id) for canary in touched)
                    for name, touched in matcher.named.items()
                }
                self._set = canaries
        except (DomainError, ObjectDoesNotExist, django.db.Error):
            logger.exception("the details of refusals could not be looked up")

    def forget(self) -> None:
        self.named = self._set = None


class _ThisProcess:
    """The source of this process."""

    def __init__(self) -> None:
        self._opened = ProcessState(_OpenedNames)

    def begin(self) -> _CountedNames:
        return _CountedNames(self._opened.current)

    def refresh(self) -> None:
        self._opened.current.refresh()

    def forget(self) -> None:
        self._opened.current.forget()


SOURCE: Final = _ThisProcess()


def _row_of(event: Event, actor: Actor) -> Row:
    """As the entry of this refusal would be."""
    return Row(
        id=0,
        entries=None,
        action=event.action,
        outcome=event.outcome,
        source=actor.source,
        actor_type=actor.actor_type,
        actor_name=actor.actor_name,
        user_id=str(actor.user_id or ""),
        actor_id=str(actor.actor_id or ""),
        token_id=actor.token_id,
        object_id=event.object_id,
        meta=event.meta_text,
        code=event.code,
        auth_method=actor.auth_method,
    )
