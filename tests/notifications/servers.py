"""Real servers on loopback that receive notifications: HTTPS with a certificate of a test authority, and SMTP."""

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kernel.crypto.asymmetric.certificates import self_signed


def server_context(folder: Any) -> tuple[ssl.SSLContext, str]:
    """A TLS context of ``localhost`` and both loopback addresses, and the file of its authority."""
    certificate, key = self_signed(["localhost", "127.0.0.1", "::1"], now=datetime(2020, 1, 1, tzinfo=UTC))
    ca_file, key_file = folder / "ca.pem", folder / "key.pem"
    ca_file.write_bytes(certificate)
    key_file.write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca_file, key_file)
    return context, str(ca_file)


class Receiver(ThreadingHTTPServer):
    """``response`` is a status, or a function of the request handler. ``requests`` are headers and bodies."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.response: Any = 204
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.released = threading.Event()  # ends the responses that hang

    @property
    def port(self) -> int:
        return self.server_address[1]

    def handle_error(self, *_: Any) -> None:
        """A client that ends the connection is expected."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
        if callable(self.server.response):
            self.server.response(self)
            return
        self.send_response(self.server.response)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class MailServer(socketserver.ThreadingTCPServer):
    """``refuses`` is the reply to the recipient, "" to accept it. ``messages`` are recipient and message."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _MailHandler)
        self.context = context
        self.refuses = ""
        self.hangs = False
        self.drips = False  # the greeting never ends, but each of its lines arrives in time
        self.is_tls = False  # from the beginning, instead of STARTTLS
        self.released = threading.Event()
        self.messages: list[tuple[str, Any]] = []
        self.commands: list[str] = []

    @property
    def port(self) -> int:
        return self.server_address[1]

    def handle_error(self, *_: Any) -> None:
        pass


class _MailHandler(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        if self.server.hangs:
            self.server.released.wait(30)
            return
        self.greet()
        recipient = ""
        while line := self.rfile.readline().decode().strip():
            command = line.partition(" ")[0].upper()
            self.server.commands.append(command)
            if command == "EHLO":
                self.reply("250-mail\r\n250-AUTH PLAIN" + ("\r\n250 STARTTLS" if self.server.context else ""))
                if not self.server.context:
                    self.reply("250 OK")
            elif command == "STARTTLS":
                self.reply("220 go ahead")
                self.encrypt()
            elif command == "RCPT":
                recipient = line.partition("<")[2].rstrip(">")
                self.reply(self.server.refuses or "250 OK")
            elif command == "DATA":
                self.reply("354 go ahead")
                self.server.messages.append(
                    (recipient, message_from_bytes(self.data(), policy=policy.default))
                )
                self.reply("250 queued")
            elif command == "QUIT":
                self.reply("221 bye")
                return
            else:
                self.reply("235 OK" if command == "AUTH" else "250 OK")

    def greet(self) -> None:
        if self.server.is_tls:
            self.encrypt()
        while self.server.drips and not self.server.released.wait(0.05):
            self.reply("220-please wait")
        self.reply("220 mail ready")

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # after STARTTLS, the server knows only the socket of before

    def reply(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def encrypt(self) -> None:
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)

    def data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line)
        return b"".join(lines)


@contextmanager
def serving[S: socketserver.BaseServer](server: S) -> Iterator[S]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
