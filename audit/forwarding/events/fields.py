"""The columns of a forwarded entry, with types that every receiver accepts.

The columns of an altered entry may contain anything. A receiver that rejects one value, such as a text in a field of
numbers, would reject the event or the whole batch, and the log could not be forwarded any further.
"""

import ipaddress
from datetime import UTC, datetime
from typing import Final

from audit.exports.formats import Exported
from audit.log import action_labels
from audit.log.events import Outcome
from audit.log.raw_rows import timestamp_of

PRODUCT: Final = "CipherCanary"
VERIFIED: Final = "verified"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAMED: Final = "name:"  # before the name of an unknown key in ``object_id``
_MOST: Final = 2**63 - 1


class Fields:
    """The columns by name. ``text`` is "" and ``number`` is None for a value of another type."""

    def __init__(self, entry: Exported) -> None:
        self._columns = entry.columns
        self.integrity = str(entry.integrity)
        self.action = self.text("action")
        self.outcome = self.text("outcome")

    def text(self, name: str) -> str:
        value = self._columns.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int | None:
        value = self._columns.get(name)
        return value if type(value) is int and abs(value) <= _MOST else None

    @property
    def time(self) -> datetime:
        """The timestamp; 1970 if the column has none."""
        return timestamp_of(self._columns.get("timestamp")) or _EPOCH

    @property
    def milliseconds(self) -> int:
        return int(self.time.timestamp() * 1000)

    @property
    def address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """Without a zone, which receivers refuse. None if the entry has no address, as that of a command."""
        try:
            return ipaddress.ip_address(self.text("client_ip").partition("%")[0])
        except ValueError:
            return None

    @property
    def actor_id(self) -> str:
        """The id of the user or service account."""
        return self.text("user_id") or self.text("actor_id")

    @property
    def object_name(self) -> str:
        """The name of an unknown key in a refused request, otherwise ""."""
        object_id = self.text("object_id")
        return object_id.removeprefix(_NAMED) if object_id.startswith(_NAMED) else ""

    @property
    def object_id(self) -> str:
        return "" if self.object_name else self.text("object_id")

    @property
    def label(self) -> str:
        """``Revoke key``."""
        return action_labels.label_of(self.action)

    @property
    def title(self) -> str:
        """``Revoke key — denied``."""
        result = action_labels.RESULTS.get(self.outcome, self.outcome)
        return f"{self.label} — {result}"

    @property
    def is_success(self) -> bool:
        return self.outcome == Outcome.OK


def present(**members: object) -> dict[str, object]:
    """The members that have a value."""
    return {name: value for name, value in members.items() if value not in (None, "", {})}
