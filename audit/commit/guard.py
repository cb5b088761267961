"""The lag guard: backpressure if the sequencer falls behind, so that proofs do not lag far behind responses.

At half of the limit, the principal that writes most is throttled. From the limit on, every operation is refused,
encryption included. Changes (disable, revoke, sign-out) bypass the guard: they stay possible while the log can be
written.
"""

import math
import time
from collections import Counter
from collections.abc import Hashable, Sequence

from audit.commit.batches import Waiting, fail
from audit.errors import AuditUnavailable
from audit.log.events import Actor
from audit.sequencing.lag import is_falling_behind, is_too_far_behind
from kernel.errors import DomainError, Throttled

PERIOD = 1.0  # seconds between two readings of the lag
_NOISY = 20  # records in that time: fewer cannot make the log fall behind
_TOO_FAR_BEHIND = (
    "The audit log is not being sequenced fast enough, so the request was not completed. "
    "Check the cause at /health and start the sequencer."
)
_SLOW_DOWN = "The audit log is falling behind, and your requests cause most of the load. Send fewer requests."


class LagGuard:
    """One per writer, so its state needs no lock. The writer reads the lag when ``is_due``."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._read_at = 0.0
        self._is_unread = False
        self._written: Counter[Hashable] = Counter()
        self._noisiest: Hashable = ""

    @property
    def is_due(self) -> bool:
        """Whether the lag was last read at least ``PERIOD`` seconds ago."""
        return time.monotonic() - self._read_at >= PERIOD

    def update(self, seconds: float | None) -> None:
        """Set the current lag; None if it could not be read. The batch decides whether anything can be written.

        After two failed readings in a row, the known lag grows with time, because waiting entries may have aged. So an
        attacker cannot stay below the limit by preventing the reading.
        """
        now = time.monotonic()
        if seconds is not None and math.isfinite(seconds):
            self._seconds, self._is_unread = seconds, False
        else:
            self._seconds += now - self._read_at if self._is_unread else 0.0
            self._is_unread = True
        self._read_at = now
        self._noisiest = self._find_noisiest()
        self._written.clear()

    @property
    def admits_all(self) -> bool:
        """Whether the lag is so small that no one is refused."""
        return not is_falling_behind(self._seconds)

    def count(self, actor: Actor, entries: int) -> None:
        """The actor is about to write these entries."""
        self._written[_principal(actor)] += entries

    def admit(self, tickets: Sequence[Waiting]) -> list[Waiting]:
        """The tickets that may be written. The others have been refused."""
        for ticket in tickets:
            self.count(ticket.decision.grounds.actor, 1)
        if self.admits_all:
            return list(tickets)
        admitted = []
        for ticket in tickets:
            if refusal := self._refusal(_principal(ticket.decision.grounds.actor)):
                fail(ticket, refusal)
            else:
                admitted.append(ticket)
        return admitted

    def _refusal(self, principal: Hashable) -> DomainError | None:
        if is_too_far_behind(self._seconds):
            return AuditUnavailable(_TOO_FAR_BEHIND)
        if principal == self._noisiest:
            return Throttled(_SLOW_DOWN, retry_after=int(PERIOD))
        return None

    def _find_noisiest(self) -> Hashable:
        """The principal that wrote at least half of this process's records, if there were many; otherwise ""."""
        for principal, count in self._written.most_common(1):
            if count >= _NOISY and count * 2 >= self._written.total():
                return principal
        return ""


def _principal(actor: Actor) -> Hashable:
    return actor.user_id or actor.actor_id or actor.actor_name
