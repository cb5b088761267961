"""Send one message to a syslog server: RFC 5424, over a local socket, UDP (RFC 5426) or TCP (RFC 6587)."""

import errno
import os
import re
import socket
from datetime import UTC, datetime
from urllib.parse import urlsplit

# Facility 13 is the audit log's, severity 5 a notice (RFC 5424 section 6.2.1).
_PRIORITY = 13 * 8 + 5
_TIMEOUT = 2.0  # seconds: an external server must not delay the log for longer
_NOT_PRINTABLE = re.compile(r"[^!-~]")


def send(address: str, message_id: str, text: str) -> datetime:
    """Send one line of printable ASCII. Returns the time in its header.

    ``address`` is a socket's path, ``udp://host:port`` or ``tcp://host:port``. UDP does not detect a missing server,
    and no transport confirms that the message was stored. Raises OSError.
    """
    now = datetime.now(UTC)
    message = encode(now, socket.gethostname(), message_id, text)
    if address.startswith("/"):
        _send_locally(address, message)
        return now
    parts = urlsplit(address)
    target = (parts.hostname or "", parts.port or 0)
    if parts.scheme == "tcp":
        with socket.create_connection(target, _TIMEOUT) as connection:
            # Octet counting (RFC 6587 section 3.4.1): a newline in a message would not split it.
            connection.sendall(b"%d %b" % (len(message), message))
        return now
    family, kind, protocol, _, resolved = socket.getaddrinfo(*target, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as datagrams:
        datagrams.settimeout(_TIMEOUT)
        datagrams.sendto(message, resolved)
    return now


def encode(now: datetime, host: str, message_id: str, text: str) -> bytes:
    """``<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID - MSG`` (RFC 5424 section 6)."""
    timestamp = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    header = f"<{_PRIORITY}>1 {timestamp} {printable(host)} ciphercanary {os.getpid()} {message_id} -"
    return f"{header} {text}".encode("ascii")


def printable(host: str) -> str:
    """The name of a host as HOSTNAME of a message."""
    return _NOT_PRINTABLE.sub("", host)[:255] or "-"


def _send_locally(path: str, message: bytes) -> None:
    """The daemon listens for datagrams or, rarely, for a stream."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(_TIMEOUT)
        try:
            datagrams.connect(path)
        except OSError as error:
            if error.errno != errno.EPROTOTYPE:
                raise
        else:
            datagrams.send(message)
            return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.settimeout(_TIMEOUT)
        stream.connect(path)
        stream.sendall(message + b"\n")
