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
_CLOSE_SECONDS: Final = 2.0
_CHUNK: Final = 4096
_TOTAL_SECONDS: Final = 30.0  # of one batch. The lease of a target is longer.


@dataclass(frozen=True, slots=True)
class Security:
    """The TLS of a connection: authorities (PEM) beside those of the system, and the certificate and private key (PEM)
    of the client, both optional.
    """

    ca: str = ""
    identity: bytes = field(default=b"", repr=False)


def connect(target: Target, security: Security | None) -> socket.socket:
    """A connection to the first address that accepts one, without TLS if ``security`` is None. Raises ExchangeFailed."""
    from kernel.http.pinned import checked_addresses  # noqa: PLC0415 - loads urllib3

    addresses = checked_addresses(target.host, target.port, settings.CC_NOTIFICATIONS.allowed_networks)
    with _exchanging():
        connected = _connect_any(addresses, target.port)
        try:
            connected.settimeout(_SILENCE_SECONDS)
            return connected if security is None else _secure(connected, target.host, security)
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
    connected.settimeout(_CLOSE_SECONDS)
    with connected, suppress(OSError):
        if isinstance(connected, ssl.SSLSocket):
            connected.unwrap()
            return
        connected.shutdown(socket.SHUT_WR)
        while connected.recv(_CHUNK):
            pass


@contextmanager
def bounded(connected: socket.socket) -> Iterator[None]:
    """An exchange that ends after ``_TOTAL_SECONDS``, however slowly the receiver reads. Raises ExchangeFailed."""
    timer = ShutDown(_TOTAL_SECONDS, connected)
    timer.start()
    try:
        with _exchanging():
            yield
    finally:
        timer.cancel()


@contextmanager
def _exchanging() -> Iterator[None]:
    """Converts the errors of a socket. Raises ExchangeFailed."""
    began = time.monotonic()
    try:
        yield
    except ssl.SSLError as error:
        raise ExchangeFailed("tls_failed") from error
    except OSError as error:
        is_late = isinstance(error, TimeoutError) or time.monotonic() - began >= _TOTAL_SECONDS
        raise ExchangeFailed("timeout" if is_late else "connection_failed") from error


def _connect_any(addresses: list[str], port: int) -> socket.socket:
    failure: OSError | None = None
    for address in addresses:
        try:
            return socket.create_connection((address, port), CONNECT_SECONDS)
        except OSError as error:
            failure = error
    raise failure or OSError("no address")


def _secure(connected: socket.socket, host: str, security: Security) -> ssl.SSLSocket:
    from kernel.http.pinned import load_identity, tls_context  # noqa: PLC0415 - loads urllib3

    timer = ShutDown(_TOTAL_SECONDS, connected)
    timer.start()
    try:
        context = tls_context(settings.CC_NOTIFICATIONS.ca_file, security.ca)
        if security.identity:
            load_identity(context, security.identity)
        return context.wrap_socket(connected, server_hostname=host)
    finally:
        timer.cancel()
