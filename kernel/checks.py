"""System checks with ids and hints: an invalid configuration fails at start-up instead of at the first request."""

import ipaddress
import stat
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's own name
from django.db import connection

from kernel import installation
from kernel.environment.variables import unknown_variables
from kernel.home import SECRET_KEY_FILE
from kernel.throttle import parse_rate
from kernel.trust import kek

_MIN_SECRET_KEY_LENGTH = 50
_BODY_BESIDE_DATA = 128 * 1024  # bytes: an aad of 64 KiB in base64, and the other members
_RATES = ("CC_THROTTLE_AUTH", "CC_THROTTLE_ANONYMOUS", "CC_THROTTLE_PRINCIPAL")


@register()
def check_public_url(**_kwargs: Any) -> Iterable[CheckMessage]:
    url = urlsplit(settings.CC_PUBLIC_URL)
    if url.scheme not in {"http", "https"} or not url.hostname or url.path:
        yield Error(
            "CC_PUBLIC_URL is not the address of a site.",
            hint="Use a URL without a path, such as https://keys.example.org.",
            id="ciphercanary.E001",
        )


@register()
def check_variables(**_kwargs: Any) -> Iterable[CheckMessage]:
    for name, closest in unknown_variables().items():
        yield Warning(
            f"{name} is not a known setting.",
            hint=f"Did you mean {closest}?" if closest else "See the list of settings in docs/operations.md.",
            id="ciphercanary.W004",
        )


@register()
def check_rates(**_kwargs: Any) -> Iterable[CheckMessage]:
    for name in _RATES:
        if not _holds(parse_rate, getattr(settings, name)):
            yield Error(
                f"{name} is not a rate.", hint="Use a value such as 100/minute.", id="ciphercanary.E002"
            )


@register()
def check_networks(**_kwargs: Any) -> Iterable[CheckMessage]:
    for name in ("CC_METRICS_NETWORKS", "CC_PROXY_NETWORKS"):
        for network in getattr(settings, name):
            if not _holds(ipaddress.ip_network, network):
                yield Error(
                    f"{name}: {network} is not a network.",
                    hint="Use a network such as 10.0.0.0/8.",
                    id="ciphercanary.E003",
                )


@register()
def check_processes(**_kwargs: Any) -> Iterable[CheckMessage]:
    if settings.CC_SQLITE and settings.CC_WORKERS > 1:
        yield Error(
            "SQLite supports only one worker process.",
            hint="Set WEB_CONCURRENCY=1, or set DATABASE_URL to a PostgreSQL database.",
            id="ciphercanary.E004",
        )
    if settings.CC_WORKERS > 1 and not settings.REDIS_URL:
        yield Warning(
            "Without Redis, each worker process counts client addresses separately and enforces only its share of a rate limit.",
            hint="Set REDIS_URL.",
            id="ciphercanary.W001",
        )


@register()
def check_connections(**_kwargs: Any) -> Iterable[CheckMessage]:
    needed = settings.CC_JOB_THREADS + 2  # one for each job, one to renew their leases, one for the schedule
    if not settings.CC_SQLITE and needed > settings.CC_DB_POOL_MAX:
        jobs = settings.CC_DB_POOL_MAX - 2
        fewer = f", or CC_JOB_THREADS to {jobs} or less" if jobs > 0 else ""
        yield Warning(
            "CC_DB_POOL_MAX is too small to renew the leases of CC_JOB_THREADS jobs.",
            hint=f"Set CC_DB_POOL_MAX to {needed} or more{fewer}. For the default, leave CC_DB_POOL_MAX unset: web processes "
            "use CC_THREADS + 10.",
            id="ciphercanary.W003",
        )


@register()
def check_limits(**_kwargs: Any) -> Iterable[CheckMessage]:
    needed = (settings.CC_MAX_PLAINTEXT_BYTES + 2) // 3 * 4 + _BODY_BESIDE_DATA
    if needed > settings.CC_MAX_BODY_BYTES:
        yield Error(
            "CC_MAX_BODY_BYTES is too small for a message of CC_MAX_PLAINTEXT_BYTES in base64.",
            hint=f"Set CC_MAX_BODY_BYTES to {needed} or more.",
            id="ciphercanary.E009",
        )


@register()
def check_kek_files_are_private(**_kwargs: Any) -> Iterable[CheckMessage]:
    for path in kek.ring_files():
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield Error(
                f"Other users can read {path.name}.",
                hint=f"Run chmod 600 {path.name}.",
                id="ciphercanary.E005",
            )


@register()
def check_secret_key(**_kwargs: Any) -> Iterable[CheckMessage]:
    if 0 < len(settings.SECRET_KEY_FROM_ENVIRONMENT) < _MIN_SECRET_KEY_LENGTH:
        yield Error(
            f"SECRET_KEY is shorter than {_MIN_SECRET_KEY_LENGTH} characters.",
            hint="Leave it unset, and the first start generates a key. Or set SECRET_KEY_FILE to a file with a long random key.",
            id="ciphercanary.E006",
        )


@register(Tags.security, deploy=True)
def check_secret_key_lasts(**_kwargs: Any) -> Iterable[CheckMessage]:
    stored = settings.SECRET_KEY_FROM_ENVIRONMENT or (settings.CC_HOME / SECRET_KEY_FILE).exists()
    if not stored:
        yield Error(
            "SECRET_KEY is neither stored in the data folder nor set.",
            hint=f"{installation.PREPARE} on this data folder, or set SECRET_KEY_FILE.",
            id="ciphercanary.E008",
        )


@register(Tags.security)
def check_hosts(**_kwargs: Any) -> Iterable[CheckMessage]:
    if "*" in settings.ALLOWED_HOSTS:
        yield Error(
            "ALLOWED_HOSTS allows any host.",
            hint="Set it to the host of CC_PUBLIC_URL.",
            id="ciphercanary.E007",
        )


@register(Tags.database)
def check_durability(databases: Sequence[str] | None = None, **_kwargs: Any) -> Iterable[CheckMessage]:
    if not databases or settings.CC_SQLITE:
        return
    for name in ("fsync", "full_page_writes"):
        if _setting(name) != "on":
            yield Warning(
                f"PostgreSQL runs with {name} = off, so acknowledged audit records can be lost.",
                hint=f"Set {name} = on in postgresql.conf.",
                id="ciphercanary.W002",
            )


def _setting(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        row = cursor.fetchone()
    return str(row[0]) if row else ""


def _holds(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True
