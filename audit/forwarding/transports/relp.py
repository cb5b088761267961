"""RELP, the Reliable Event Logging Protocol of rsyslog: syslog over TCP or TLS in which the server confirms each message.

A frame is ``TXNR SP COMMAND SP DATALEN [SP DATA] LF``. The server responds to each with ``rsp`` and the same TXNR; its
data begins with ``200`` (https://github.com/rsyslog/librelp/blob/main/doc/relp.html).
"""

import re
import socket
from collections.abc import Sequence
from itertools import batched
from typing import Final

from audit.forwarding.messages import Message
from audit.forwarding.transports.connections import bounded, connect
from audit.forwarding.transports.syslog import frame
from kernel.http.outgoing import ExchangeFailed
from kernel.http.targets import Target

_OFFER: Final = b"relp_version=0\nrelp_software=ciphercanary\ncommands=syslog"
_WINDOW: Final = 128  # messages that wait for their confirmation
_LAST_NUMBER: Final = 999_999_999
_HEAD: Final = re.compile(rb"(\d{1,9}) ([a-z]{1,32}) (\d{1,9})[ \n]")
_MOST_OF_HEAD: Final = 64
_MOST_OF_RESPONSE: Final = 2**17
_ACCEPTED: Final = b"200"
_LINE_FEED: Final = ord("\n")


class RelpReceiver:
    """A session that lasts until ``close``, or until an error ends it."""

    def __init__(self, target: Target, ca: str) -> None:
        self._target, self._ca = target, ca
        self._session: _Session | None = None

    def send(self, messages: Sequence[Message]) -> None:
        """Raises ExchangeFailed. Some of the messages may have been accepted then."""
        try:
            if self._session is None:
                is_secure = self._target.scheme == "relp+tls"
                self._session = _Session(connect(self._target, is_secure=is_secure, ca=self._ca))
            self._session.send([frame(message) for message in messages])
        except ExchangeFailed:
            self.close()
            raise

    def close(self) -> None:
        if self._session is not None:
            self._session.end()
            self._session = None


class _Session:
    """Raises ExchangeFailed if the server does not accept the offer."""

    def __init__(self, connected: socket.socket) -> None:
        self._connected, self._unread, self._number = connected, bytearray(), 0
        try:
            with bounded(connected):
                connected.sendall(self._frame(b"open", _OFFER))
                self._confirm({self._number})
        except BaseException:
            connected.close()
            raise

    def send(self, frames: Sequence[bytes]) -> None:
        with bounded(self._connected):
            for some in batched(frames, _WINDOW):
                numbers, sent = set(), bytearray()
                for each in some:
                    sent += self._frame(b"syslog", each)
                    numbers.add(self._number)
                self._connected.sendall(sent)
                self._confirm(numbers)

    def end(self) -> None:
        """The server may have ended the session before, so its response does not matter."""
        try:
            self._connected.sendall(self._frame(b"close", b""))
        except OSError:
            pass
        finally:
            self._connected.close()

    def _frame(self, command: bytes, content: bytes) -> bytes:
        self._number = self._number % _LAST_NUMBER + 1
        data = b" " + content if content else b""
        return b"%d %b %d%b\n" % (self._number, command, len(content), data)

    def _confirm(self, numbers: set[int]) -> None:
        """Wait until the server has accepted all these frames."""
        while numbers:
            number, command, content = self._read_frame()
            if command == b"serverclose":
                raise ExchangeFailed("connection_failed")
            if command != b"rsp" or number not in numbers:
                raise ExchangeFailed("response_unknown")
            if not content.startswith(_ACCEPTED):
                raise ExchangeFailed("message_refused")
            numbers.remove(number)

    def _read_frame(self) -> tuple[int, bytes, bytes]:
        while not (head := _HEAD.match(self._unread)):
            if len(self._unread) > _MOST_OF_HEAD:
                raise ExchangeFailed("response_unknown")
            self._receive()
        number, command, length = int(head[1]), head[2], int(head[3])
        if length > _MOST_OF_RESPONSE:
            raise ExchangeFailed("response_unknown")
        # Without data, the byte after the length is the end of the frame.
        end = head.end() + length if length else head.end() - 1
        while len(self._unread) <= end:
            self._receive()
        content = bytes(self._unread[head.end() : end]) if length else b""
        if self._unread[end] != _LINE_FEED:
            raise ExchangeFailed("response_unknown")
        del self._unread[: end + 1]
        return number, command, content

    def _receive(self) -> None:
        received = self._connected.recv(2**16)
        if not received:
            raise ExchangeFailed("connection_failed")
        self._unread += received
