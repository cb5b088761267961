"""Syslog messages (RFC 5424), and their transport over TCP (RFC 6587) or TLS (RFC 5425), which confirms nothing."""

import os
import socket
from collections.abc import Sequence
from typing import Final

from audit.forwarding.messages import Message
from audit.forwarding.transports.connections import (
    Security,
    bounded,
    close_gently,
    connect,
    deadline,
    has_ended,
)
from audit.log.raw_rows import timestamp_of
from audit.sequencing.checkpoints.syslog import printable
from kernel.http.targets import Target

_FACILITY: Final = 13  # log audit (RFC 5424 section 6.2.1)
_NIL: Final = "-"


def frame(message: Message) -> bytes:
    """``<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID - MSG`` (RFC 5424 section 6), in UTF-8."""
    priority = _FACILITY * 8 + message.severity.of_syslog
    timestamp = message.timestamp if timestamp_of(message.timestamp) else _NIL
    head = f"<{priority}>1 {timestamp} {printable(socket.gethostname())} ciphercanary {os.getpid()} {message.kind} - "
    return head.encode() + message.octets


class SyslogReceiver:
    """A server without acknowledgement. Entries on the way are lost if it ends the connection."""

    def __init__(self, target: Target, security: Security | None) -> None:
        self._target, self._security = target, security
        self._connected: socket.socket | None = None

    def send(self, messages: Sequence[Message]) -> None:
        """Raises ExchangeFailed."""
        until = deadline()
        if self._connected is None or has_ended(self._connected):
            self.close()
            self._connected = connect(self._target, self._security, until)
        frames = map(frame, messages)
        # Octet counting: a line break in a message would not split it.
        with bounded(self._connected, until):
            self._connected.sendall(b"".join(b"%d %b" % (len(each), each) for each in frames))

    def close(self) -> None:
        if self._connected is not None:
            close_gently(self._connected)
            self._connected = None
