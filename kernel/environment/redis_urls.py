"""URLs of Redis servers and of Sentinels, which name the master, for Celery and for caches."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote

from kernel.environment.hosts import addresses_of, parts_of

SENTINEL_SCHEME: Final = "redis+sentinel"
SENTINEL_PORT: Final = 26379


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
        scheme, login, hosts, path = parts_of(url)
        if scheme != SENTINEL_SCHEME:
            return None
        addresses = [(name, port or SENTINEL_PORT) for name, port in addresses_of(hosts)]
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


def caches(url: str, prefix: str) -> dict[str, dict[str, Any]]:
    """Django's ``CACHES``: in Redis if there is a ``url``, of a server or of Sentinels, otherwise in this process."""
    local = {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "local",
        "OPTIONS": {"MAX_ENTRIES": 100_000},  # the default of 300 would evict rate counters under load
    }
    if url:
        shared = _redis_cache(url, prefix)
        default = {"BACKEND": "kernel.cache.FailoverRedisCache", **shared}
        metadata = {"BACKEND": "kernel.cache.OptionalRedisCache", **shared}
    else:
        # Separate from the rate counters, so that it cannot evict them.
        default, metadata = local, local | {"LOCATION": "metadata", "OPTIONS": {"MAX_ENTRIES": 10_000}}
    return {"default": default, "local": local, "metadata": metadata}


def _redis_cache(url: str, prefix: str) -> dict[str, Any]:
    """``CACHES`` of django-redis, without its backend."""
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
