"""The lag guard: where the sequencer falls behind, answers wait for it rather than the proof for them.

Half-way to the limit the principal that writes most is told to slow down; from the limit on every operation
is refused, encryption included. Changes (disable, revoke, sign-out) do not pass here: they stay possible while
the log can be written.
"""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import django.db

from audit.batches import Ticket
from audit.errors import AuditUnavailable
from audit.lag import is_falling_behind, is_too_far_behind, read_lag_seconds
from ciphercanary.errors import DomainError, Throttled

logger = logging.getLogger(__name__)

PERIOD = 1.0  # seconds between two looks at the lag
NOISY = 20  # records in that time: fewer do not make a log fall behind
TOO_FAR_BEHIND = (
    "The audit log is not sequenced fast enough, or not at all, so nothing is answered. "
    "An operator sees why at /health and starts the sequencer."
)
SLOW_DOWN = "The audit log is falling behind and you write most of it. Send less for a while."


class LagGuard:
    """One per writing thread: what it counts and remembers needs no lock."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._looked = 0.0
        self._written: Counter[str] = Counter()
        self._noisiest = ""

    def admit(self, tickets: Sequence[Ticket[Any]]) -> list[Ticket[Any]]:
        """Those that may be written; the others have been refused."""
        self._look()
        self._written.update(_principal(ticket) for ticket in tickets)
        if not is_falling_behind(self._seconds):
            return list(tickets)
        admitted = []
        for ticket in tickets:
            if refusal := self._refusal(_principal(ticket)):
                ticket.fail(refusal)
            else:
                admitted.append(ticket)
        return admitted

    def _refusal(self, principal: str) -> DomainError | None:
        if is_too_far_behind(self._seconds):
            return AuditUnavailable(TOO_FAR_BEHIND)
        if principal == self._noisiest:
            return Throttled(SLOW_DOWN, retry_after=int(PERIOD))
        return None

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < PERIOD:
            return
        self._looked = now
        self._noisiest = self._who_is_noisiest()
        self._written.clear()
        try:
            self._seconds = read_lag_seconds()
        except Exception:
            # Nothing is known of the lag. Whether anything can be written, the batch that follows says; what waits
            # for it must not wait for ever because somebody altered a row.
            logger.warning("the lag of the audit log could not be read", exc_info=True)
            django.db.connection.close()

    def _who_is_noisiest(self) -> str:
        """Whoever wrote at least half of this process's records, if those were many; "" where nobody did."""
        for principal, count in self._written.most_common(1):
            if count >= NOISY and count * 2 >= self._written.total():
                return principal
        return ""


def _principal(ticket: Ticket[Any]) -> str:
    actor = ticket.decision.actor
    return str(actor.user_id or actor.actor_name)
