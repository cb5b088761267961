"""The state of the installation for people: measured values, and remedies for problems.

``/health`` reports the same checks of ``console.health`` to programs.
"""

import platform
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Final
from urllib.parse import urlsplit

import django
import django.db
from django.conf import settings
from django.db import connection
from django.http import HttpRequest

import kernel
from accounts.principals import Principal
from audit.services.verifications import Verification, Verifications, last_verifications
from console.checks import BAD, OFF, OK, WARNING, Check, check_backup, check_disk
from console.health import HEALTHY, LAGGING, NOT_CONFIGURED, read_health, sequencer_word
from console.key_encryption.keks import Keks, check_kek_copy, check_keks, read_keks
from console.system.measures import Measures, read_measures
from demo.instance import demo_state
from kernel import installation
from kernel.clock import clock_skew, database_now, process_now
from kernel.databases.applied_migrations import applied_migrations, count_due_migrations
from kernel.databases.releases import describe_newer_database
from kernel.templatetags.pages import grouped

_STATES: Final = {HEALTHY: OK, LAGGING: WARNING, NOT_CONFIGURED: OFF}  # every other word is bad
# Much for two machines of one service, though only certificates and ID tokens depend on it.
SKEW_SECONDS = 2.0
_WAITS_LONG_SECONDS = 60
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, slots=True)
class _System:
    checks: Sequence[Check]
    keks: Keks
    versions: Sequence[tuple[str, str]]
    alarms: int

    @property
    def unhealthy_count(self) -> int:
        return sum(check.state in {WARNING, BAD} for check in self.checks)


def read_system(principal: Principal, request: HttpRequest) -> _System:
    """The current state. ``principal`` reads the whole log; ``request`` shows how requests pass the proxy."""
    now = process_now()
    measures, keks = read_measures(principal, now), read_keks()
    checks = [
        _check_database(),
        check_migrations(),
        check_keks(keks, now),
        check_kek_copy(keks),
        _check_redis(),
        _check_sequencer(measures),
        _check_alarms(measures, now),
        _check_jobs(measures, now),
        check_backup(measures.backed_up_at, now),
        check_disk(),
        check_access(request),
        *_check_demo(),
    ]
    return _System(checks, keks, versions(), measures.log.alarms)


def _check_database() -> Check:
    """One query for the database's clock measures the response time and the difference between the clocks."""
    name = f"Database ({connection.display_name})"
    if connection.vendor == "sqlite":
        return Check(name, OK, "local file, same clock as this process")
    before = time.perf_counter()
    database_now()
    seconds, skew = time.perf_counter() - before, clock_skew()
    measured = f"responds in {seconds * 1000:.1f} ms"
    if abs(skew) > SKEW_SECONDS:
        remedy = (
            "The clocks of the database and this machine differ. Synchronise both with the same time server."
        )
        return Check(name, WARNING, f"{measured}; clocks {skew:+.1f} s apart", remedy, "timedatectl status")
    return Check(name, OK, f"{measured}; clocks {skew * 1000:+.0f} ms apart")


def check_migrations() -> Check:
    applied = applied_migrations()
    if newer := describe_newer_database(applied):
        return Check("Migrations", WARNING, "applied by a newer version", newer)
    if due := count_due_migrations(applied):
        return Check(
            "Migrations",
            BAD,
            f"{due} not applied",
            "Restart the server to apply the migrations.",
            installation.SERVE,
        )
    return Check("Migrations", OK, "all applied")


def _check_redis() -> Check:
    state = _state(read_health("redis")["redis"])
    if state == OFF:
        return Check("Redis", OFF, "not configured, so rate limits and caches are per process")
    if state == OK:
        return Check("Redis", OK, "responds")
    remedy = (
        "Start Redis or correct REDIS_URL. Until then, rate limits are per process and the cache is not used."
    )
    return Check("Redis", BAD, "does not respond", remedy)


def _check_sequencer(measures: Measures) -> Check:
    state = _state(sequencer_word(measures.log.delay))
    signed = (
        f"last checkpoint {measures.signed_at:%Y-%m-%d %H:%M:%SZ}, of {grouped(measures.signed_size)} entries"
        if measures.signed_at
        else "no checkpoint yet"
    )
    oldest = f", oldest for {measures.log.delay.seconds:.1f} s" if measures.pending else ""
    measured = f"{grouped(measures.pending)} waiting{oldest}; {signed}"
    if state == OK:
        return Check("Sequencer", OK, measured)
    limit = settings.CC_AUDIT_LAG_LIMIT
    remedy = f"If an entry waits for {limit} s, the server rejects operations. Check the server log, or start the sequencer:"
    return Check("Sequencer", state, measured, remedy, f"{installation.MANAGE} run_sequencer")


def _check_alarms(measures: Measures, now: datetime) -> Check:
    command = f"{installation.MANAGE} verify_audit_log"
    alarms, verifications = measures.log.alarms, last_verifications(measures.pass_progress)
    last, verified = verifications.full, _verified_text(verifications)
    if alarms:
        measured = f"{alarms} open alarm{'' if alarms == 1 else 's'}, latest "
        measured += f"{measures.log.alarmed_at:%Y-%m-%d %H:%MZ}; {verified}"
        remedy = "Verify the whole log, investigate each alarm below, and resolve it with a reason."
        return Check("Audit log", BAD, measured, remedy, command)
    if last is not None and last.problem:
        return Check("Audit log", WARNING, f"no open alarms; {verified}", last.problem, command)
    if verifications.is_late(now):
        remedy = "A full pass is overdue. Check that a job worker is running, and read its log. If it is running, increase CC_LOG_VERIFICATION_HOURS."
        return Check("Audit log", WARNING, f"no open alarms; {verified}", remedy)
    remedy = "The server checks each entry when it sequences it and when a page shows it. Background passes check all entries. To check everything now:"
    return Check("Audit log", OK, f"no open alarms; {verified}", remedy, command)


def _verified_text(verifications: Verifications) -> str:
    """The end of the last full verification and of the last full pass, as part of a sentence."""
    parts = [
        _ended_text("full verification", verifications.full),
        _ended_text("full pass", verifications.last_pass),
    ]
    if not verifications.is_continuous:
        parts.append("continuous verification off")
    if verifications.is_under_way:
        parts.append(f"current pass at {verifications.percent}%")
    return "; ".join(parts)


def _ended_text(name: str, last: Verification | None) -> str:
    if last is None:
        return f"no {name} yet"
    ended = f"{last.ended_at:%Y-%m-%d %H:%MZ}" if last.ended_at else "at an unknown time"
    return f"last {name} {ended}: {last.outcome}"


def _check_jobs(measures: Measures, now: datetime) -> Check:
    measured = f"{measures.jobs_waiting} due, {measures.jobs_running} running"
    since = measures.oldest_job
    waits = (now - since).total_seconds() if since else 0.0
    if waits < _WAITS_LONG_SECONDS:
        return Check("Job worker", OK, measured)
    by_celery = bool(settings.CELERY_BROKER_URL)
    return Check(
        "Job worker",
        BAD,
        f"{measured}; oldest waiting since {since:%Y-%m-%d %H:%M:%SZ}",
        "No worker has started this job. Start a worker, or check the log of the running worker.",
        installation.WORKER if by_celery else f"{installation.MANAGE} run_worker",
    )


def check_access(request: HttpRequest) -> Check:
    """Whether the request matches the configuration of the proxy. Plain HTTP is a defect only beyond this machine."""
    name, proxies = "TLS and proxy", settings.CC_TRUSTED_PROXIES
    measured = f"{settings.CC_PUBLIC_URL}; {proxies} trusted prox{'y' if proxies == 1 else 'ies'}"
    if settings.CC_TLS and not request.is_secure():
        remedy = "CC_PUBLIC_URL is https, but this request did not arrive as https. Configure the proxy to send X-Forwarded-Proto."
        return Check(name, BAD, measured, remedy)
    if "X-Forwarded-For" in request.headers and not proxies:
        remedy = "Requests come through a proxy that is not trusted, so all callers share its address. Set CC_TRUSTED_PROXIES."
        return Check(name, WARNING, measured, remedy)
    if settings.CC_TLS:
        return Check(name, OK, measured)
    if proxies == 0 and {settings.CC_BIND, urlsplit(settings.CC_PUBLIC_URL).hostname} <= _LOOPBACK:
        return Check(name, OFF, f"{settings.CC_PUBLIC_URL}; only this machine can connect")
    remedy = (
        "Passwords and tokens are sent without encryption. Use a TLS proxy, and set CC_PUBLIC_URL to https."
    )
    return Check(name, WARNING, measured, remedy)


def _check_demo() -> list[Check]:
    """Only on an instance with the demo."""
    match demo_state():
        case "complete":
            return [Check("Demo instance", OK, "loaded; its history is invented")]
        case "incomplete":
            remedy = (
                "Wait until load_demo ends. If it was interrupted, do not use this instance. Use a new one."
            )
            return [Check("Demo instance", WARNING, "incomplete", remedy)]
        case "none":
            return []


def versions() -> Sequence[tuple[str, str]]:
    numbers = ".".join(str(part) for part in connection.get_database_version())
    return [
        ("CipherCanary", kernel.__version__),
        ("Python", platform.python_version()),
        ("Django", django.get_version()),
        (connection.display_name, numbers),
        ("cryptography", version("cryptography")),
        ("OpenSSL (Python)", ssl.OPENSSL_VERSION.removeprefix("OpenSSL ")),
    ]


def _state(word: str) -> str:
    return _STATES.get(word, BAD)
