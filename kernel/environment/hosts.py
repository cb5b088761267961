"""Several hosts in the URL of a service.

In ``DATABASE_URL`` they are a primary and its standbys: libpq connects to the first that accepts writes. In those of
Redis they are Sentinels, which name the master.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

SENTINEL_SCHEME: Final = "redis+sentinel"
SENTINEL_PORT: Final = 26379

# A request waits for a connection for CC_DB_POOL_TIMEOUT, 5 seconds: dead hosts must leave time for a live one.
CONNECT_SECONDS: Final = 2

OPTIONS: Final = {"target_session_attrs": "read-write", "connect_timeout": CONNECT_SECONDS}


def without_hosts(url: str) -> tuple[str, dict[str, str]]:
    """The URL with one placeholder for its hosts, and ``HOST`` and ``PORT`` as libpq's lists. Unchanged for one host.

    Python rejects some lists with IPv6 addresses. django-environ keeps their brackets, and drops the place of a missing
    port: then libpq would use the port of another host. Raises ValueError.
    """
    scheme, login, hosts, path = _parts(url)
    if "," not in hosts:
        return url, {}
    addresses = _addresses(hosts)
    described = {
        "HOST": ",".join(name for name, _ in addresses),
        "PORT": ",".join(str(port or "") for _, port in addresses),
    }
    return f"{scheme}://{login and login + '@'}hosts/{path}", described


def _parts(url: str) -> tuple[str, str, str, str]:
    """Scheme, user with password, hosts with ports, and what follows."""
    scheme, _, rest = url.partition("://")
    network, _, path = rest.partition("/")
    login, _, hosts = network.rpartition("@")
    return scheme, login, hosts, path


def _addresses(hosts: str) -> list[tuple[str, int | None]]:
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


@dataclass(frozen=True)
class Sentinels:
    """``redis+sentinel://user:password@host1:26379,host2:26379/master/0``: Sentinels, the name of a master, a database.

    User and password are those of the Redis servers. The Sentinels have none.
    """

    addresses: Sequence[tuple[str, int]]
    master: str
    database: int
    username: str
    password: str

    @classmethod
    def read(cls, url: str) -> "Sentinels | None":
        """None for a URL of another form. Raises ValueError."""
        scheme, login, hosts, path = _parts(url)
        if scheme != SENTINEL_SCHEME:
            return None
        addresses = [(name, port or SENTINEL_PORT) for name, port in _addresses(hosts)]
        master, _, database = path.partition("/")
        if not re.fullmatch(r"[\w.-]+", master):
            raise ValueError("the master has no name")
        username, _, password = login.partition(":")
        return cls(addresses, master, int(database or 0), unquote(username), unquote(password))

    @property
    def broker(self) -> tuple[str, dict[str, str]]:
        """For Celery: the URL, and more transport options."""
        login = f"{quote(self.username, '')}:{quote(self.password, '')}@" if self.password else ""
        hosts = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.addresses]
        urls = [f"sentinel://{login}{host}/{self.database}" for host in hosts]
        return ";".join(urls), {"master_name": self.master}


def redis_cache(url: str, prefix: str) -> dict[str, Any]:
    """``CACHES`` of django-redis, without its backend. ``url``: of a server, or of Sentinels."""
    options: dict[str, Any] = {
        "SERIALIZER": "kernel.cache.PlainSerializer",
        "SOCKET_CONNECT_TIMEOUT": 1,
        "SOCKET_TIMEOUT": 1,
    }
    if sentinels := Sentinels.read(url):
        url = f"redis://{sentinels.master}/{sentinels.database}"
        options |= {
            "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
            "SENTINELS": sentinels.addresses,
            "USERNAME": sentinels.username,
            "PASSWORD": sentinels.password,
        }
    return {"LOCATION": url, "KEY_PREFIX": prefix, "OPTIONS": options}
