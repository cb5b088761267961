"""Connections to addresses that were checked before, for URLs that users choose.

A name is resolved once. Every address must be public or in a network that the operator allows, and the connection goes to
one of these addresses, so a second resolution cannot lead elsewhere (DNS rebinding). TLS still verifies the name.
"""

import ipaddress
import os
import socket
import ssl
import time
from collections.abc import Collection, Sequence
from threading import Timer
from typing import Any, Final

from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import create_connection

from kernel.http.deadlines import ShutDown
from kernel.http.outgoing import TOTAL_SECONDS, ExchangeFailed

type _Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# 6to4 and Teredo carry an IPv4 address that a relay could deliver to; the relays' own network is reserved (RFC 7526).
_TUNNELS: Final = tuple(map(ipaddress.ip_network, ("2002::/16", "2001::/32", "192.88.99.0/24")))
_GLOBAL_UNICAST: Final = ipaddress.ip_network("2000::/3")  # all that IANA has allocated of IPv6
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052


def checked_addresses(host: str, port: int, allowed: Collection[str]) -> list[str]:
    """The addresses of the host. Raises ExchangeFailed if any is neither public nor in an allowed network (CIDR)."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ExchangeFailed("name_not_resolved") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses:
        raise ExchangeFailed("name_not_resolved")
    if not all(may_connect(ipaddress.ip_address(address), allowed) for address in addresses):
        raise ExchangeFailed("address_not_allowed")
    return addresses


def may_connect(address: _Address, allowed: Collection[str]) -> bool:
    """Whether the address is public, or in one of the allowed networks. An embedded IPv4 address counts itself."""
    actual = _unwrapped(address)
    return _is_public(actual) or any(actual in ipaddress.ip_network(network) for network in allowed)


def _unwrapped(address: _Address) -> _Address:
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else address


def _is_public(address: _Address) -> bool:
    is_special = address.is_multicast or address.is_reserved or any(address in each for each in _TUNNELS)
    is_unicast = address.version == 4 or address in _GLOBAL_UNICAST  # noqa: PLR2004 - IPv4
    return address.is_global and is_unicast and not is_special


class _PinnedConnection(HTTPSConnection):
    """A connection to one of ``addresses``, closed after ``TOTAL_SECONDS`` however slowly the server sends."""

    def __init__(self, *args: Any, addresses: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._addresses = addresses
        self._began = time.monotonic()
        self._timer: Timer | None = None

    def _new_conn(self) -> socket.socket:
        failure: Exception = NewConnectionError(self, "no address")
        for address in self._addresses:
            if self._seconds_left() <= 0:
                break
            try:
                connected = create_connection((address, self.port), self.timeout)
            except TimeoutError:
                failure = ConnectTimeoutError(self, "timed out")
            except OSError:
                failure = NewConnectionError(self, "refused")
            else:
                self._close_in_time(connected)
                return connected
        raise failure

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().close()

    def _seconds_left(self) -> float:
        return TOTAL_SECONDS - (time.monotonic() - self._began)

    def _close_in_time(self, connected: socket.socket) -> None:
        self._timer = ShutDown(self._seconds_left(), connected)
        self._timer.start()


class PinnedPool(HTTPSConnectionPool):
    """One connection to ``host`` at checked addresses. ``ca_file`` and ``ca`` as in ``tls_context``."""

    ConnectionCls = _PinnedConnection

    def __init__(
        self, host: str, port: int, *, addresses: Sequence[str], ca_file: str = "", ca: str = ""
    ) -> None:
        context = tls_context(ca_file, ca)
        super().__init__(host, port, maxsize=1, ssl_context=context, addresses=addresses)


def tls_context(ca_file: str, ca: str) -> ssl.SSLContext:
    """Of a client. ``ca_file`` and ``ca`` (PEM) add authorities to those of the system; "" adds none."""
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    if ca:
        context.load_verify_locations(cadata=ca)
    return context


def load_identity(context: ssl.SSLContext, pem: bytes) -> None:
    """Let the client authenticate itself with a certificate and its private key, which never reach the disk.

    Raises ssl.SSLError if they do not belong together, or if the key is encrypted.
    """
    file = os.memfd_create("identity")
    try:
        os.write(file, pem)
        context.load_cert_chain(
            f"/proc/self/fd/{file}", password=lambda: b""
        )  # otherwise OpenSSL asks the terminal
    finally:
        os.close(file)
