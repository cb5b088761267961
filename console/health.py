"""Is the service well? One word for each thing it depends on: for ``/health``, and for the page of the system."""

from collections.abc import Callable

import django.db
from django.conf import settings
from django.core.cache import caches
from django.db import connection
from redis.exceptions import RedisError

from audit.epoch import read_epoch
from audit.lag import Delay, is_too_far_behind, read_delay, read_lag_seconds
from ciphercanary import errors, kek
from ciphercanary.applied_migrations import count_due_migrations

HEALTHY, LAGGING, UNHEALTHY, NOT_CONFIGURED = "healthy", "lagging", "unhealthy", "not_configured"


def look(name: str) -> str:
    """One fixed word for each service: exception text may name hosts, users or paths."""
    try:
        return _PROBES[name]()
    except (django.db.Error, RedisError, OSError, errors.DomainError):
        return UNHEALTHY


def sequencer_word(delay: Delay) -> str:
    if delay.is_too_late:
        return UNHEALTHY
    return LAGGING if delay.is_late else HEALTHY


def _probe_database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HEALTHY


def _probe_audit() -> str:
    read_epoch()
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM audit_logs ORDER BY id DESC LIMIT 1")
    return UNHEALTHY if is_too_far_behind(read_lag_seconds()) else HEALTHY


def _probe_sequencer() -> str:
    return sequencer_word(read_delay())


def _probe_migrations() -> str:
    return UNHEALTHY if count_due_migrations() else HEALTHY


def _probe_kek() -> str:
    kek.check_sentinels()
    return HEALTHY


def _probe_redis() -> str:
    if not settings.REDIS_URL:
        return NOT_CONFIGURED
    caches["default"].client.get_client().ping()  # type: ignore[attr-defined]  # django-redis' own client
    return HEALTHY


_PROBES: dict[str, Callable[[], str]] = {
    "database": _probe_database,
    "audit": _probe_audit,
    "migrations": _probe_migrations,
    "key_encryption_key": _probe_kek,
    "sequencer": _probe_sequencer,
    "redis": _probe_redis,
}
