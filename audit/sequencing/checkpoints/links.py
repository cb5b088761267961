"""Links from each checkpoint to two earlier ones, so that a deleted checkpoint is detected.

``previous`` is the size of the checkpoint signed just before it, which may be thinned out later. ``kept`` is the size
of the newest earlier checkpoint that is never thinned out: the last of an earlier hour, or of former keys. 0 means
that there was none. A MAC protects both; the database has its key only in wrapped form. Checkpoints that predate
these columns have no link.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from kernel.crypto.errors import MacMismatch
from kernel.trust import system_keys
from kernel.trust.row_mac import encode_fields

_KEPT_WHOLE = timedelta(days=1)
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Link:
    """The link of the checkpoint of ``size`` entries. The columns have the types with which they were read."""

    size: int
    previous: Any
    kept: Any

    def mac(self) -> str:
        """The MAC of a link of integers. Raises KekUnavailable and UnwrapFailed."""
        return system_keys.make_mac(system_keys.ROW_MAC, _VERSION, self._message())

    def holds(self, mac: object) -> bool:
        """Whether ``mac``, an unvalidated value, is that of this link. Raises KekUnavailable and UnwrapFailed."""
        try:
            system_keys.check_mac(system_keys.ROW_MAC, _VERSION, self._message(), str(mac))
        except (MacMismatch, TypeError):
            return False
        return True

    def _message(self) -> bytes:
        if type(self.previous) is not int or type(self.kept) is not int:
            raise TypeError("a link holds two sizes")
        return encode_fields(("audit_checkpoints", _VERSION, self.size, self.previous, self.kept))


def thinned_before(now: datetime) -> datetime:
    """Checkpoints signed before this time are thinned out. It starts an hour, so the last of each hour is known."""
    return hour_of(now - _KEPT_WHOLE)


def hour_of(timestamp: datetime) -> datetime:
    return timestamp.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
