"""RELP, the Reliable Event Logging Protocol of rsyslog: syslog over TCP or TLS in which the server confirms each message.

A frame is ``TXNR SP COMMAND SP DATALEN [SP DATA] LF``. The server responds to each with ``rsp`` and the same TXNR; its
data begins with ``200`` (https://github.com/rsyslog/librelp/blob/main/doc/relp.html).
"""

import re
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from typing import Final

from audit.forwarding.messages import Message
from audit.forwarding.transports.connections import CLOSE_SECONDS, Security, bounded, connect, deadline
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

    def __init__(self, target: Target, security: Security | None) -> None:
        self._target, self._security = target, security
        self._session: _Session | None = None

    def send(self, messages: Sequence[Message]) -> None:
        """Raises ExchangeFailed. Some of the messages may have been accepted then."""
        until = deadline()
        try:
            if self._session is None:
                self._session = _Session(connect(self._target, self._security, until), until)
            self._session.send([frame(message) for message in messages], until)
        except ExchangeFailed:
            if self._session is not None:
                self._session.abandon()
                self._session = None
            raise

    def close(self) -> None:
        if self._session is not None:
            self._session.end()
            self._session = None


class _Session:
    """Raises ExchangeFailed if the server does not accept the offer."""

    def __init__(self, connected: socket.socket, until: float) -> None:
        self._connected, self._unread, self._number = connected, bytearray(), 0
        try:
            with bounded(connected, until):
                connected.sendall(self._frame(b"open", _OFFER))
                self._confirm({self._number})
        except BaseException:
            connected.close()
            raise

    def send(self, frames: Sequence[bytes], until: float) -> None:
        """New frames follow while others wait, so that no side waits for the other one."""
        waiting, unconfirmed = iter(frames), set[int]()
        with bounded(self._connected, until):
            while some := list(islice(waiting, _WINDOW - len(unconfirmed))):
                sent = bytearray()
                for each in some:
                    sent += self._frame(b"syslog", each)
                    unconfirmed.add(self._number)
                self._connected.sendall(sent)
                self._confirm(unconfirmed, _WINDOW // 2)
            self._confirm(unconfirmed)

    def end(self) -> None:
        """The server may have ended the session before."""
        until = time.monotonic() + CLOSE_SECONDS
        with suppress(ExchangeFailed), bounded(self._connected, until):
            self._connected.settimeout(CLOSE_SECONDS)
            self._connected.sendall(self._frame(b"close", b""))
            self._confirm({self._number})
        self.abandon()

    def abandon(self) -> None:
        self._connected.close()

    def _frame(self, command: bytes, content: bytes) -> bytes:
        self._number = self._number % _LAST_NUMBER + 1
        data = b" " + content if content else b""
        return b"%d %b %d%b\n" % (self._number, command, len(content), data)

    def _confirm(self, numbers: set[int], most_left: int = 0) -> None:
        """Wait until the server has accepted these frames, except for ``most_left`` of them."""
        while len(numbers) > most_left:
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
        # Servers send their responses in small parts, each after the acknowledgement of the one before (RFC 896), which
        # the kernel would delay by 40 ms.
        self._connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        received = self._connected.recv(2**16)
        if not received:
            raise ExchangeFailed("connection_failed")
        self._unread += received
