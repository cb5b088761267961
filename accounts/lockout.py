"""Account lockout: five failures within 15 minutes lock an account for 15 minutes."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from kernel.errors import Throttled

LIMIT = 5
WINDOW = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class AttemptCount:
    """Failed and unfinished attempts on one account since ``first_at``."""

    failures: int
    first_at: datetime
    last_at: datetime

    @classmethod
    def first(cls, now: datetime) -> Self:
        return cls(failures=1, first_at=now, last_at=now)

    def another(self, now: datetime) -> "AttemptCount":
        """The count with one more attempt. Raises Throttled while the account is locked.

        A refused attempt is not counted, so it does not extend the lock.
        """
        reopens_at = self.last_at + WINDOW
        if self.failures >= LIMIT and now < reopens_at:
            wait = math.ceil((reopens_at - now).total_seconds())
            raise Throttled(
                f"Too many failed sign-ins to this account. Try again in {_minutes(wait)}.", retry_after=wait
            )
        if now >= self.first_at + WINDOW:
            return AttemptCount.first(now)
        return AttemptCount(failures=self.failures + 1, first_at=self.first_at, last_at=now)


def _minutes(seconds: int) -> str:
    minutes = math.ceil(seconds / 60)
    return "1 minute" if minutes == 1 else f"{minutes} minutes"
