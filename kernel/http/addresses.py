"""IP addresses as text: canonical spelling, client address and rate-limit key."""

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from kernel.errors import Invalid

MAX_NETWORKS: Final = 20


@lru_cache(4096)
def canonical_address(address: str) -> str:
    """The canonical spelling of an IP address (RFC 5952); ``""`` for any other text, such as a Unix socket's peer."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    # An IPv4 client of a dual-stack socket counts as the same client.
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def client_address(peer: str, forwarded_for: str, hops: int) -> str:
    """The address of the client: the peer, or the entry that the outermost trusted proxy appended.

    ``hops`` entries are counted from the right of X-Forwarded-For. The client sends everything further left and can
    put any value there.
    """
    if hops and forwarded_for:
        forwarded = forwarded_for.split(",")
        peer = forwarded[-hops].strip() if len(forwarded) >= hops else peer
    return canonical_address(peer)


def network_of(address: str) -> str:
    """Rate-limit key: the IPv4 address, or the /64 for IPv6 (the smallest usual allocation)."""
    return str(ipaddress.ip_network(f"{address}/64", strict=False)) if ":" in address else address


@lru_cache(4096)
def wide_network_of(network: str) -> str:
    """The /24 (IPv4) or /48 (IPv6) of a canonical address, or of a smaller network in it, in CIDR notation. "" has none."""
    address = network.partition("/")[0]
    prefix = 48 if ":" in address else 24
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False)) if address else ""


def passkey_origin(public_url: str) -> tuple[str, str]:
    """The only origin whose pages may use passkeys, and its host: the relying party id (WebAuthn section 5.1.2).

    Browsers allow passkeys over https and on ``localhost``. If the public URL is neither, ``localhost`` is used.
    """
    url = urlsplit(public_url)
    is_usual = url.port in {None, 443 if url.scheme == "https" else 80}
    host = (url.hostname or "") if url.scheme == "https" else "localhost"
    return f"{url.scheme}://{host}{'' if is_usual else f':{url.port}'}", host


@dataclass(frozen=True, slots=True)
class Networks:
    """IP networks in CIDR notation. Without any, all addresses are included."""

    texts: tuple[str, ...] = ()

    @classmethod
    def parse(cls, texts: Collection[str]) -> "Networks":
        """In canonical spelling. Raises Invalid, naming the field ``networks``."""
        if len(texts) > MAX_NETWORKS:
            raise Invalid.of_field("networks", f"Use at most {MAX_NETWORKS} networks.")
        try:
            return cls(tuple(str(ipaddress.ip_network(text)) for text in texts))
        except ValueError as error:
            fault = f"{error}. Use CIDR notation, such as 192.0.2.0/24."
            raise Invalid.of_field("networks", fault) from None

    def include(self, address: str) -> bool:
        """Whether the canonical ``address`` is in one of the networks. An unknown address is in none."""
        return not self.texts or _is_within(address, self.texts)


@lru_cache(4096)
def _is_within(address: str, networks: tuple[str, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in ipaddress.ip_network(text) for text in networks)
