"""The callers that a scream test refused. The log has the test: the row of the key forgets it at its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from accounts.principals import Principal
from audit.services.decisions import find_times
from audit.usage.queries import denied_by_caller, recorded_by
from kernel.clock import process_now
from kernel.errors import NotFound
from keys import actions
from keys.models import Key
from keys.reading.services import get_key
from keys.usage.services.callers import CallerUses, by_action, callers_shown_to

# What ends a test before its time.
_ENDS: Final = (actions.KEY_ENABLED, actions.KEY_REVOKED, actions.KEY_DELETION_SCHEDULED)


@dataclass(frozen=True, slots=True)
class ScreamTest:
    """A suspension for a limited time, from ``since`` to ``until``, and the requests that were denied meanwhile."""

    key_id: UUID
    since: datetime
    until: datetime
    is_running: bool
    by_action: Mapping[str, int]
    callers: CallerUses

    @property
    def recorded_until(self) -> datetime:
        """The log has the last repeats by then, in whole seconds."""
        return recorded_by(self.until) + timedelta(seconds=1)

    @property
    def count(self) -> int:
        return sum(self.by_action.values())


def read_scream_test(*, principal: Principal, key_id: UUID) -> ScreamTest:
    """The last test of a visible key. Raises Denied, and NotFound if its last suspension had no limit, or it had none."""
    principal.require("keys.read")
    test = find_scream_test(principal=principal, key=get_key(principal=principal, key_id=key_id))
    if test is None:
        raise NotFound("The key was not disabled for a limited time.")
    return test


def find_scream_test(*, principal: Principal, key: Key) -> ScreamTest | None:
    """The same for pages, or None. Up to four statements."""
    times = find_times(object_id=str(key.id), actions=(actions.KEY_DISABLED, *_ENDS))
    began = times.get(actions.KEY_DISABLED)
    if began is None or began.until is None or isinstance(began.at, str):
        return None
    since, now = began.at, process_now()
    ends = [times[name].at for name in _ENDS if name in times]
    until = min([began.until, *(at for at in ends if not isinstance(at, str) and at > since)])
    totals = denied_by_caller(key.id, since, until)
    callers = callers_shown_to(principal, key, totals)
    return ScreamTest(key.id, since, until, now < until, by_action(totals), callers)
