"""Several hosts in ``DATABASE_URL``: a primary and its standbys. libpq connects to the first that accepts writes."""

from typing import Any, Final
from urllib.parse import urlsplit

# A request waits for a connection for CC_DB_POOL_TIMEOUT, 5 seconds: dead hosts must leave time for a live one.
CONNECT_SECONDS: Final = 2

OPTIONS: Final = {"target_session_attrs": "read-write", "connect_timeout": CONNECT_SECONDS}


def without_hosts(url: str) -> tuple[str, dict[str, str]]:
    """The URL with one placeholder for its hosts, and ``HOST`` and ``PORT`` as libpq's lists. Unchanged for one host.

    Python rejects some lists with IPv6 addresses. django-environ keeps their brackets, and drops the place of a missing
    port: then libpq would use the port of another host. Raises ValueError.
    """
    scheme, separator, rest = url.partition("://")
    network, slash, path = rest.partition("/")
    login, at, hosts = network.rpartition("@")
    if "," not in hosts:
        return url, {}
    parts = [urlsplit(f"//{host}") for host in hosts.split(",")]
    names = [part.hostname or "" for part in parts]
    if not all(names):
        raise ValueError("a host has no name")
    ports = [str(part.port or "") for part in parts]
    described = {"HOST": ",".join(names), "PORT": ",".join(ports)}
    return f"{scheme}{separator}{login}{at}hosts{slash}{path}", described


def add_options(described: dict[str, Any]) -> None:
    """Add defaults to Django's description of a database if it has several hosts."""
    options = described.get("OPTIONS", {})
    if "," in str(described.get("HOST") or options.get("host", "")):
        described["OPTIONS"] = OPTIONS | options
