"""Connections to receivers over TCP, with or without TLS, to addresses that were checked before."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from django.conf import settings

from kernel.http.deadlines import ShutDown
from kernel.http.outgoing import CONNECT_SECONDS, ExchangeFailed
from kernel.http.targets import Target

_SILENCE_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 2.0
_CHUNK: Final = 4096
SEND_SECONDS: Final = 20.0  # of one ``send``, with connection and handshake. A worker that stops has 30 s.


@dataclass(frozen=True, slots=True)
class Security:
    """The TLS of a connection: authorities (PEM) beside those of the system, and the certificate and private key (PEM)
    of the client, both optional.
    """

    ca: str = ""
    identity: bytes = field(default=b"", repr=False)


def deadline() -> float:
    """The monotonic time at which a ``send`` that begins now must end."""
    return time.monotonic() + SEND_SECONDS


def connect(target: Target, security: Security | None, until: float) -> socket.socket:
    """A connection to the first address that accepts one, without TLS if ``security`` is None. Raises ExchangeFailed."""
    from kernel.http.pinned import checked_addresses  # noqa: PLC0415 - loads urllib3

    addresses = checked_addresses(target.host, target.port, settings.CC_NOTIFICATIONS.allowed_networks)
    with _exchanging(until):
        connected = _connect_any(addresses, target.port, until)
        try:
            connected.settimeout(_SILENCE_SECONDS)
            return connected if security is None else _secure(connected, target.host, security, until)
        except BaseException:
            connected.close()
            raise


def has_ended(connected: socket.socket) -> bool:
    """Whether the receiver has ended the connection. Reads what TLS itself sends, such as session tickets."""
    timeout = connected.gettimeout()
    connected.settimeout(0)
    try:
        while connected.recv(_CHUNK):
            pass
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        pass
    finally:
        connected.settimeout(timeout)
    return True


def close_gently(connected: socket.socket) -> None:
    """Close the connection after the receiver has read everything. Unread bytes would make the kernel discard what it
    has not sent yet.
    """
    until = time.monotonic() + CLOSE_SECONDS
    connected.settimeout(CLOSE_SECONDS)
    with connected, suppress(OSError, ExchangeFailed), bounded(connected, until):
        if isinstance(connected, ssl.SSLSocket):
            connected.unwrap()
            return
        connected.shutdown(socket.SHUT_WR)
        while connected.recv(_CHUNK):
            pass


@contextmanager
def bounded(connected: socket.socket, until: float) -> Iterator[None]:
    """An exchange that ends at this monotonic time, however slowly the receiver reads. Raises ExchangeFailed."""
    with _exchanging(until), _shut_down_at(until, connected):
        yield


@contextmanager
def _exchanging(until: float) -> Iterator[None]:
    """Converts the errors of a socket. Raises ExchangeFailed."""
    try:
        yield
    except (OSError, ExchangeFailed) as error:
        # The deadline may look like a lost connection, or like an error of TLS.
        if isinstance(error, TimeoutError) or time.monotonic() >= until:
            raise ExchangeFailed("timeout") from error
        if isinstance(error, ExchangeFailed):
            raise
        raise ExchangeFailed(
            "tls_failed" if isinstance(error, ssl.SSLError) else "connection_failed"
        ) from error


@contextmanager
def _shut_down_at(until: float, connected: socket.socket) -> Iterator[None]:
    timer = ShutDown(until - time.monotonic(), connected)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _connect_any(addresses: list[str], port: int, until: float) -> socket.socket:
    failure: OSError | None = None
    for address in addresses:
        seconds = min(CONNECT_SECONDS, until - time.monotonic())
        if seconds <= 0:
            raise TimeoutError
        try:
            return socket.create_connection((address, port), seconds)
        except OSError as error:
            failure = error
    raise failure or OSError("no address")


def _secure(connected: socket.socket, host: str, security: Security, until: float) -> ssl.SSLSocket:
    from kernel.http.pinned import load_identity, tls_context  # noqa: PLC0415 - loads urllib3

    with _shut_down_at(until, connected):
        context = tls_context(settings.CC_NOTIFICATIONS.ca_file, security.ca)
        if security.identity:
            load_identity(context, security.identity)
        return context.wrap_socket(connected, server_hostname=host)
