"""Environment variables. Errors name an invalid variable but never show its value, which may be a secret."""

import os
import re
from collections.abc import Collection
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, ClassVar
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from kernel.environment.hosts import add_options, without_hosts
from kernel.environment.redis_urls import Sentinels

DATABASES = {"postgres", "postgresql", "sqlite"}
_REDIS_SCHEMES = {"redis", "rediss", "unix"}
_SYSLOG_SCHEMES = {"udp", "tcp"}
_BOOLEANS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
_OWN_PREFIX = "CC_"
# Variables that the settings do not read: those of bin/, of the tests, and those for PostgreSQL when SQLite is
# used.
_READ_ELSEWHERE = {"CC_VENV", "CC_PYTHON", "CC_CHROMIUM", "CC_TEST_DURABLE", "CC_TEST_SOCKET"}
_READ_WITH_POSTGRESQL = {"CC_DB_POOL_MIN", "CC_DB_POOL_TIMEOUT", "CC_DB_POOL_MAX_LIFETIME"}


class Environment(environ.FileAwareEnv):  # type: ignore[misc]  # django-environ ships no types
    """django-environ without its proxies: a password that begins with ``$`` does not refer to another variable."""

    known: ClassVar[set[str]] = (
        _READ_ELSEWHERE | _READ_WITH_POSTGRESQL
    )  # grows with each variable that is read

    def get_value(self, var: str, cast: Any = None, default: Any = None, parse_default: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002 - django-environ's signature
        """The variable converted by ``cast``, or the default. Raises ImproperlyConfigured."""
        self.known.add(var)
        try:
            # A file ends in a line break that is not part of the password.
            value = self.ENVIRON[var].rstrip("\r\n")
            return _boolean(var, value) if cast is bool else self.parse_value(value, cast)
        except KeyError:
            return default
        except OSError:
            raise ImproperlyConfigured(
                f"{var}_FILE names a file that cannot be read. Check the path and its permissions."
            ) from None
        except ValueError:
            raise ImproperlyConfigured(f"{var} has an invalid value.") from None

    def db_url(self, var: str, default: str, engine: str | None = None) -> dict[str, Any]:
        """Django's description of a database. Raises ImproperlyConfigured."""
        url: str = self.get_value(var, default=default)
        described: dict[str, Any] = {}
        # urllib fails on a path with a colon or a bracket and quotes it in the error: often a part of the password.
        with suppress(ValueError):
            url, hosts = without_hosts(url)
            # An "@" after the host means that the password contains a "/". The rest of the password would become
            # the database name, which error messages show.
            if url.partition("://")[0] in DATABASES and ("sqlite" in url or "@" not in urlsplit(url).path):
                described = self.db_url_config(url, engine) | hosts
                add_options(described)
        if not described:
            raise ImproperlyConfigured(
                f"{var} must be a URL such as postgresql://user:password@host:5432/name. "
                "Write special characters in the password as %XX."
            )
        return described

    def number(self, var: str, default: int, *, at_least: int = 1, at_most: int | None = None) -> int:
        """An integer within its bounds. Raises ImproperlyConfigured."""
        value: int = self.int(var, default)
        if value < at_least or (at_most is not None and value > at_most):
            bounds = f"at least {at_least}" if at_most is None else f"from {at_least} to {at_most}"
            raise ImproperlyConfigured(f"{var} must be {bounds}.")
        return value

    def seconds(self, var: str, default: float, *, at_least: float, at_most: float) -> float:
        """Seconds, including fractions, within the bounds. Raises ImproperlyConfigured."""
        value: float = self.get_value(var, cast=_plain_float, default=default)
        if not at_least <= value <= at_most:  # "nan" is a float to Python but is not within the bounds
            raise ImproperlyConfigured(f"{var} must be from {at_least:g} to {at_most:g}.")
        return value

    def redis_url(self, var: str) -> str:
        """The URL of a Redis server, or "". Raises ImproperlyConfigured."""
        url: str = self.get_value(var, default="")
        try:
            is_valid = not url or url.partition("://")[0] in _REDIS_SCHEMES or bool(Sentinels.read(url))
        except ValueError:
            is_valid = False
        if not is_valid:
            raise ImproperlyConfigured(
                f"{var} must be a URL such as redis://host:6379/0, or redis+sentinel://host1:26379,host2:26379/master/0."
            )
        return url

    def http_url(self, var: str) -> str:
        """The URL of an HTTP server, or "". Raises ImproperlyConfigured."""
        url: str = self.get_value(var, default="")
        if url and not is_http_url(url):
            raise ImproperlyConfigured(f"{var} must be a URL such as http://host:4318.")
        return url

    def syslog_address(self, var: str) -> str:
        """``/dev/log`` or another socket's path, ``udp://host:port``, ``tcp://host:port``, or "".

        Raises ImproperlyConfigured.
        """
        address: str = self.get_value(var, default="")
        if address and not (address.startswith("/") or _is_host_and_port(address)):
            raise ImproperlyConfigured(
                f"{var} must be a path or URL such as /dev/log, udp://host:514 or tcp://host:514."
            )
        return address

    def choice(self, var: str, default: str, choices: set[str]) -> str:
        """One of ``choices``. Raises ImproperlyConfigured."""
        value: str = self.get_value(var, default=default)
        if value not in choices:
            raise ImproperlyConfigured(f"{var} must be one of {', '.join(sorted(choices))}.")
        return value

    def choices(self, var: str, choices: Collection[str]) -> frozenset[str]:
        """Any of ``choices``, separated with commas; none by default. Raises ImproperlyConfigured."""
        value = frozenset(word.strip() for word in self.list(var, default=[]))
        if not value <= set(choices):
            raise ImproperlyConfigured(f"{var} must be a list of {', '.join(sorted(choices))}, with commas.")
        return value


def is_http_url(url: str) -> bool:
    return bool(re.fullmatch(r"https?://[^/\s]\S*", url))


def unknown_variables() -> dict[str, str]:
    """``{name: closest known name, or ""}`` of ``CC_`` variables that are not read, such as a misspelled name."""
    known = Environment.known | {f"{name}_FILE" for name in Environment.known}
    names = sorted(name for name in os.environ if name.startswith(_OWN_PREFIX) and name not in known)  # noqa: TID251 - finds variables that no setting reads
    return {name: "".join(get_close_matches(name, known, n=1)) for name in names}


def _boolean(var: str, text: str) -> bool:
    """Replaces django-environ's conversion, which treats every unknown text as False. Raises ImproperlyConfigured."""
    if text.lower() not in _BOOLEANS:
        raise ImproperlyConfigured(f"{var} must be True or False.")
    return _BOOLEANS[text.lower()]


def _plain_float(text: str) -> float:
    """Replaces django-environ's conversion, which drops every non-digit: ``1e9`` becomes 19. Raises ValueError."""
    return float(text)


def _is_host_and_port(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_port = bool(parts.port)
    except ValueError:  # brackets without an address, or a port that is not a number
        return False
    return parts.scheme in _SYSLOG_SCHEMES and bool(parts.hostname) and has_port and not parts.path
