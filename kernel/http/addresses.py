"""IP addresses as text: one spelling for each, and whom it counts for."""

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit


@lru_cache(4096)
def canonical_address(address: str) -> str:
    """The one spelling of an IP address (RFC 5952); ``""`` for what is none, such as a Unix socket's peer."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    # An IPv4 client of a dual-stack socket is the same client.
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def client_address(peer: str, forwarded_for: str, hops: int) -> str:
    """The address of the client: the peer, or the entry that our outermost trusted proxy appended.

    ``hops`` entries are counted from the right of X-Forwarded-For: everything further left was sent by the
    client, who may write there what he likes.
    """
    if hops and forwarded_for:
        forwarded = forwarded_for.split(",")
        peer = forwarded[-hops].strip() if len(forwarded) >= hops else peer
    return canonical_address(peer)


def network_of(address: str) -> str:
    """Whom a canonical address counts for: itself, or its /64, the least that an IPv6 subscriber is given."""
    return str(ipaddress.ip_network(f"{address}/64", strict=False)) if ":" in address else address


def passkey_origin(public_url: str) -> tuple[str, str]:
    """The one origin whose pages may use passkeys, and its host, the relying party's id (WebAuthn section 5.1.2).

    Browsers allow them over https and on ``localhost``: where the public URL is neither, ``localhost`` it is.
    """
    url = urlsplit(public_url)
    is_usual = url.port in {None, 443 if url.scheme == "https" else 80}
    host = (url.hostname or "") if url.scheme == "https" else "localhost"
    return f"{url.scheme}://{host}{'' if is_usual else f':{url.port}'}", host
