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
    scheme, separator, rest = url.partition("://")
    network, slash, path = rest.partition("/")
    login, at, hosts = network.rpartition("@")
    if "," not in hosts:
        return url, {}
    parts = [urlsplit(f"//{host}") for host in hosts.split(",")]
    names = [part.hostname or "" for part in parts]
    if not all(names) or "?" in hosts:
        raise ValueError("a host has no name, or the database")
    ports = [str(part.port or "") for part in parts]
    described = {"HOST": ",".join(names), "PORT": ",".join(ports)}
    return f"{scheme}{separator}{login}{at}hosts{slash}{path}", described


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
        scheme, _, rest = url.partition("://")
        if scheme != SENTINEL_SCHEME:
            return None
        network, _, path = rest.partition("/")
        login, _, hosts = network.rpartition("@")
        parts = [urlsplit(f"//{host}") for host in hosts.split(",")]
        addresses = [(part.hostname or "", part.port or SENTINEL_PORT) for part in parts]
        master, _, database = path.partition("/")
        if not all(host for host, _ in addresses) or not re.fullmatch(r"[\w.-]+", master):
            raise ValueError("a host or the master has no name")
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
