"""Uses of service tokens on record, because requests that only read leave no entry of their own.

The first use of a token from an address is an entry, and again after ten minutes. Each process counts for itself.
"""

import time
from collections import OrderedDict
from threading import Lock
from typing import Final

from accounts import actions
from accounts.principals import Principal
from audit.log.events import Event
from audit.log.personal_data import recorded_address
from audit.services.recording import record_alone
from kernel.runtime import ProcessState

_PERIOD: Final = 600.0  # seconds
_MAX_PLACES: Final = 10_000  # tokens with an address

type _Place = tuple[str, str]  # the id of a token, and an address as entries have it


class _Recorded:
    """The places of recorded uses, oldest first. A monotonic clock, because the system's clock may be set back."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._places: OrderedDict[_Place, float] = OrderedDict()

    def has(self, place: _Place, now: float) -> bool:
        with self._lock:
            at = self._places.get(place)
        return at is not None and now - at < _PERIOD

    def add(self, place: _Place, now: float) -> None:
        """A full memory drops the oldest place, whose next use is recorded again."""
        with self._lock:
            self._places[place] = now
            self._places.move_to_end(place)
            if len(self._places) > _MAX_PLACES:
                self._places.popitem(last=False)


_recorded = ProcessState(_Recorded)


def record_use(principal: Principal, action: str) -> None:
    """Record that a service token is used for ``action``, unless such a use is on record. Raises AuditUnavailable.

    Call it before the response, once the caller has the permission and their rights are current. A refusal has an
    entry anyway. Of parallel first uses, each waits for an entry of its own.
    """
    if principal.limits is None:
        return
    token_id, now = str(principal.limits.token_id), time.monotonic()
    place = token_id, recorded_address(principal.actor.client_ip)
    if _recorded.current.has(place, now):
        return
    event = Event(
        action=actions.SERVICE_TOKEN_USED,
        object_type="service_token",
        object_id=token_id,
        meta={"request": action},
    )
    record_alone(event, principal.actor)
    _recorded.current.add(place, now)
