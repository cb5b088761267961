"""Messages to receivers: one line for an entry, a checkpoint or a test."""

from dataclasses import dataclass

from audit.forwarding.events.severities import Severity


@dataclass(frozen=True, slots=True)
class Message:
    """One line, without its end. ``kind`` is ``entry``, ``checkpoint`` or ``test``; only entries have an event id.

    ``timestamp`` is that of the entry as text, which may be altered.
    """

    octets: bytes
    kind: str
    timestamp: str = ""
    event_id: str = ""
    severity: Severity = Severity.INFORMATIONAL
