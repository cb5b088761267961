"""The state of each dependency as one word, for ``/health`` and the system page.

The words reflect what requests experience: operations and changes need the services in ``VITAL``. Without one of
the others, some of them fail, or none. Checks leave nothing in the audit log.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from django.conf import settings
from django.core.cache import caches
from django.db import connection, transaction

from audit.sequencing.lag import Delay, is_too_far_behind, read_delay, read_lag_seconds
from audit.services.alarms import count_open_alarms
from console.checks import read_free_space
from kernel.clock import database_now, process_now
from kernel.databases import commit_waits
from kernel.databases.applied_migrations import applied_migrations, count_due_migrations
from kernel.freshness.epoch import lock_epoch
from kernel.observability.check_rounds import CheckRounds
from kernel.runtime import ProcessState
from kernel.trust import kek

HEALTHY, LAGGING, UNHEALTHY, NOT_CONFIGURED = "healthy", "lagging", "unhealthy", "not_configured"
_ALARMED = "alarmed"
_DEGRADED = "degraded"
VITAL = ("database", "audit", "key_encryption_key")
# A failure of one of these degrades the service. A new one needs its name here and its check below.
DEGRADING = ("sequencer", "audit_alarms", "redis")

_TRIAL_SECONDS = 5.0  # between two commits of the check of commits

# Inserts without rows take the locks that an audit event needs.
_INSERTS = (
    "INSERT INTO audit_bundles SELECT * FROM audit_bundles WHERE 1 = 0",
    "INSERT INTO audit_trail SELECT * FROM audit_trail WHERE 1 = 0",
)
# PostgreSQL: a result larger than work_mem goes to a temporary file beside the data, which fails on a full disk.
_SPILL = (
    "SET LOCAL temp_tablespaces = ''",
    "SET LOCAL work_mem = '64kB'",
    "SELECT count(*) FROM generate_series(1, 20000)",
)
# A commit that must reach the disk, without writing a row.
_WRITE = "SELECT pg_logical_emit_message(true, 'ciphercanary', '')"


def read_health(*names: str, seconds: float | None = None) -> Mapping[str, str]:
    """One fixed word for each service, because exception text may name hosts, users or paths.

    A check without a timely result is unhealthy. ``seconds`` replaces the usual wait.
    """
    asked = [rounds.current for rounds, checks in _ROUNDS if set(names) & set(checks)]
    for rounds in asked:
        rounds.begin()  # all of them before the first wait
    found = {name: word for rounds in asked for name, word in rounds.results(seconds).items()}
    return {name: found.get(name, UNHEALTHY) for name in names}


def names() -> list[str]:
    """Every check, also those that ``/health`` does not report."""
    return [name for _, checks in _ROUNDS for name in checks]


def is_well(word: str) -> bool:
    return word in {HEALTHY, NOT_CONFIGURED}


def overall(words: Mapping[str, str]) -> str:
    """The word for all services together."""
    if any(words[name] == UNHEALTHY for name in VITAL):
        return UNHEALTHY
    return HEALTHY if all(map(is_well, words.values())) else _DEGRADED


def begin() -> None:
    """Start the checks before the first request for them."""
    for rounds, _ in _ROUNDS:
        rounds.current.begin()


def sequencer_word(delay: Delay) -> str:
    if delay.is_too_late:
        return UNHEALTHY
    return LAGGING if delay.is_late else HEALTHY


def _check_database() -> str:
    database_now()  # not SELECT 1, because the clocks are compared with the result, also in a process without requests
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    return HEALTHY


def _check_audit() -> str:
    """Whether audit events can be written.

    Does everything that such a transaction does or waits for, without an event.
    """
    if is_too_far_behind(read_lag_seconds()):
        return UNHEALTHY
    with transaction.atomic():
        lock_epoch()
        with connection.cursor() as cursor:
            for statement in (*_INSERTS, *_write_statements()):
                cursor.execute(statement)
    return HEALTHY


def _check_commits() -> str:
    """Whether PostgreSQL confirms commits in time. It tries one itself, but not for each probe."""
    if commit_waits.are_unconfirmed():
        return UNHEALTHY
    trial = _trial.current
    if connection.vendor == "postgresql" and time.monotonic() >= trial.due:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_WRITE)
        trial.due = time.monotonic() + _TRIAL_SECONDS
    return HEALTHY


def _write_statements() -> Sequence[str]:
    """Real writes that change none of our data."""
    if connection.vendor == "sqlite":
        # SQLite skips an update that changes nothing. This number in the header of the file is otherwise unused.
        return [f"PRAGMA user_version = {int(process_now().timestamp() * 1000) % 2**31}"]
    return [*_SPILL, _WRITE]


def _check_sequencer() -> str:
    return sequencer_word(read_delay())


def _check_alarms() -> str:
    return _ALARMED if count_open_alarms() else HEALTHY


def _check_migrations() -> str:
    return UNHEALTHY if count_due_migrations(applied_migrations()) else HEALTHY


def _check_kek() -> str:
    kek.check_sentinels()
    return HEALTHY


def _check_disk() -> str:
    return UNHEALTHY if read_free_space().is_scarce else HEALTHY


def _check_redis() -> str:
    if not settings.REDIS_URL:
        return NOT_CONFIGURED
    caches["default"].client.get_client().ping()  # type: ignore[attr-defined]  # django-redis' own client
    return HEALTHY


class _Trial:
    """When the check of commits next tries one (time.monotonic())."""

    def __init__(self) -> None:
        self.due = 0.0


_trial = ProcessState(_Trial)

# Each group has its own thread, so a hanging check delays only later ones in its group.
_ROUNDS: Sequence[tuple[ProcessState[CheckRounds], Mapping[str, Callable[[], str]]]] = [
    (ProcessState(partial(CheckRounds, checks)), checks)
    for checks in (
        {
            "database": _check_database,
            "key_encryption_key": _check_kek,
            "migrations": _check_migrations,
            "audit_alarms": _check_alarms,
            "sequencer": _check_sequencer,  # waits if audit_logs is locked
            "commits": _check_commits,
        },
        {"audit": _check_audit},
        {"disk": _check_disk, "redis": _check_redis},
    )
]
