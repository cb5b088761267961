"""Syslog servers on loopback: RELP, and TCP or TLS with octet counting."""

import contextlib
import re
import socketserver
import ssl
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_FRAME = re.compile(rb"(\d+) (\w+) (\d+)[ \n]")


def client_identity() -> tuple[str, str]:
    """A certificate of a client, which is its own authority, and its private key; both in PEM."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("ciphercanary")]), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(pem).decode(), private.decode()


class SyslogServer(socketserver.ThreadingTCPServer):
    """``messages`` are complete. The server ends the connection after the number ``ends_after`` of them."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    handler: Any = None

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), self.handler)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.messages: list[bytes] = []
        self.sessions = 0
        self.released = threading.Event()  # ``serving`` sets it
        self.ends_after: int | None = None

    @property
    def port(self) -> int:
        return self.server_address[1]

    @property
    def bodies(self) -> list[bytes]:
        """The text after each header."""
        return [message.split(b" ", 7)[7] for message in self.messages]

    def handle_error(self, *_: Any) -> None:
        """A client that ends the connection is expected."""


class _CountingHandler(socketserver.StreamRequestHandler):
    server: SyslogServer

    def handle(self) -> None:
        self.server.sessions += 1
        while digits := self._number():
            self.server.messages.append(self.rfile.read(int(digits)))
            if len(self.server.messages) == self.server.ends_after:
                return

    def _number(self) -> bytes:
        digits = bytearray()
        while (octet := self.rfile.read(1)) not in {b" ", b""}:
            digits += octet
        return bytes(digits)


class CountingServer(SyslogServer):
    """RFC 6587 section 3.4.1."""

    handler = _CountingHandler


class _RelpHandler(socketserver.StreamRequestHandler):
    server: "RelpServer"

    def handle(self) -> None:
        self.server.sessions += 1
        with contextlib.suppress(OSError):
            while frame := self._frame():
                if not self._answer(*frame):
                    return

    def _answer(self, number: int, command: str, content: bytes) -> bool:
        """Whether the session goes on."""
        self.server.commands.append(command)
        match command:
            case "open":
                assert b"commands=syslog" in content
                self._respond(number, self.server.offer)
            case "syslog":
                if len(self.server.messages) == self.server.ends_after:
                    self.wfile.write(b"0 serverclose 0\n")
                    return False
                self.server.messages.append(content)
                if self.server.raw is not None:
                    self.wfile.write(self.server.raw)
                    return False
                self._respond(number, self.server.response)
            case "close":
                self._respond(number, b"")
                return False
        return True

    def _respond(self, number: int, content: bytes) -> None:
        data = b" " + content if content else b""
        self.wfile.write(b"%d rsp %d%b\n" % (number, len(content), data))

    def _frame(self) -> tuple[int, str, bytes] | None:
        head = b""
        while not (found := _FRAME.fullmatch(head)):
            octet = self.rfile.read(1)
            if not octet:
                return None
            head += octet
        length = int(found[3])
        content = self.rfile.read(length)
        if length:
            assert self.rfile.read(1) == b"\n"
        return int(found[1]), found[2].decode(), content


class RelpServer(SyslogServer):
    handler = _RelpHandler

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(context)
        self.commands: list[str] = []
        self.offer = b"200 OK\nrelp_version=0\nrelp_software=test\ncommands=syslog"
        self.response = b"200 OK"
        self.raw: bytes | None = None  # is sent in place of the first response; then the connection ends
