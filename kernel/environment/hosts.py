"""Several hosts in the URL of a service.

In ``DATABASE_URL`` they are a primary and its standbys: libpq connects to the first that accepts writes. In those of
Redis they are Sentinels (``redis_urls``).
"""

from typing import Any, Final
from urllib.parse import urlsplit

# A request waits for a connection for CC_DB_POOL_TIMEOUT, 5 seconds: dead hosts must leave time for a live one.
_CONNECT_SECONDS: Final = 2

OPTIONS: Final = {"target_session_attrs": "read-write", "connect_timeout": _CONNECT_SECONDS}


def without_hosts(url: str) -> tuple[str, dict[str, str]]:
    """The URL with one placeholder for its hosts, and ``HOST`` and ``PORT`` as libpq's lists. Unchanged for one host.

    Python rejects some lists with IPv6 addresses. django-environ keeps their brackets, and drops the place of a missing
    port: then libpq would use the port of another host. Raises ValueError.
    """
    scheme, login, hosts, path = parts_of(url)
    if "," not in hosts:
        return url, {}
    addresses = addresses_of(hosts)
    described = {
        "HOST": ",".join(name for name, _ in addresses),
        "PORT": ",".join(str(port or "") for _, port in addresses),
    }
    return f"{scheme}://{login and login + '@'}hosts/{path}", described


def parts_of(url: str) -> tuple[str, str, str, str]:
    """Scheme, user with password, hosts with ports, and what follows."""
    scheme, _, rest = url.partition("://")
    network, _, path = rest.partition("/")
    login, _, hosts = network.rpartition("@")
    return scheme, login, hosts, path


def addresses_of(hosts: str) -> list[tuple[str, int | None]]:
    """Name and port of each host. Raises ValueError, also for a query without a path before it."""
    parts = [urlsplit(f"//{host}") for host in hosts.split(",")]
    if "?" in hosts or not all(part.hostname for part in parts):
        raise ValueError("a host has no name")
    return [(part.hostname or "", part.port) for part in parts]


def add_options(described: dict[str, Any]) -> None:
    """Add defaults to Django's description of a database if it has several hosts."""
    options = described.get("OPTIONS", {})
    if "," in str(described.get("HOST") or options.get("host", "")):
        described["OPTIONS"] = OPTIONS | options
