"""The prerequisites of serving: tables, root of trust, static files, and an account that can sign in."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import chain

import django.db
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, run_checks
from django.core.management import call_command
from django.db import connection

from accounts.principals import Principal
from accounts.tokens.services.signing_keys import bootstrap_signing_keys
from accounts.users import link_codes
from accounts.users.services.creation import create_user
from accounts.users.services.set_up import is_set_up, issue_setup_link
from audit.log.events import Source
from audit.sequencing.checkpoints.signing_keys import bootstrap_checkpoint_keys
from audit.sequencing.head import check_head
from audit.sequencing.state_beginning import begin_state_once
from audit.services.witness import bootstrap_witness_key
from audit.verification.database.schema import raise_schema_alarm
from ciphercanary.server import static_files
from ciphercanary.server.starting import DATABASE, FOLDER, NEWER, SETTING, TRUST, UNPREPARED, CannotStart
from kernel import home, installation
from kernel.checks import check_secret_key_lasts
from kernel.databases.applied_migrations import (
    Names,
    applied_migrations,
    count_due_migrations,
    migration_transaction,
)
from kernel.databases.database_errors import explain
from kernel.databases.releases import describe_newer_database
from kernel.databases.transactions import exclusive_session
from kernel.errors import DomainError, Invalid
from kernel.trust import kek, system_keys
from kernel.trust.models import SystemKey

_FIRST_ADMIN = "admin"
_PREPARE = f"{installation.PREPARE} with the same settings."
_LISTED = 5  # differences of the schema in the warnings of a start
LOCK = int.from_bytes(b"cc-prepr")  # our key among PostgreSQL's advisory locks, a bigint


@dataclass(frozen=True, slots=True)
class _Preparation:
    """The output for the terminal. ``setup_link`` is shown only once; it is "" if an account exists."""

    setup_link: str = field(repr=False)
    warnings: list[str]


def prepare() -> _Preparation:
    """Check, migrate, bootstrap the root of trust and signing keys, collect static files, prepare the first account.

    A database that lacks audit log entries which this host has already seen is refused before anything is written
    to it. Every step leaves existing data unchanged. On PostgreSQL, several preparations run one after the other.
    Raises CannotStart.
    """
    with _refusals():
        warnings = _check()
        with exclusive_session(LOCK):
            applied = applied_migrations()
            _refuse_newer_database(applied)
            _migrate(applied)
            system_keys.bootstrap()
            check_head()
            bootstrap_signing_keys()
            bootstrap_checkpoint_keys()
            bootstrap_witness_key()
            begin_state_once()
            warnings += _schema_warnings()
            static_files.collect()
            link = _prepare_first_admin()
    return _Preparation(setup_link=link, warnings=warnings)


def require_prepared() -> list[str]:
    """Check that ``prepare`` has run with this version, and that the root of trust opens. Changes
    nothing, except that an altered schema raises an alarm.

    Returns the warnings of the checks. Raises CannotStart.
    """
    with _refusals():
        warnings = _check(check_secret_key_lasts)
        applied = applied_migrations()
        _refuse_newer_database(applied)
        if count_due_migrations(applied):
            raise CannotStart(
                f"the database lacks tables of this version. {_PREPARE}",
                UNPREPARED,
            )
        kek.check_sentinels()
        for purpose in system_keys.PURPOSES:
            system_keys.open_key(purpose)
        check_head()
        warnings += _schema_warnings()
        if not static_files.is_current():
            raise CannotStart(
                f"{settings.STATIC_ROOT} lacks the static files of this version. {_PREPARE}",
                UNPREPARED,
            )
    return warnings


def _schema_warnings() -> list[str]:
    """Warnings about an altered schema. The start continues, so that an operator can resolve the alarm in the console."""
    found = raise_schema_alarm()
    listed = [f"the schema of the database was altered: {difference}" for difference in found[:_LISTED]]
    more = len(found) - len(listed)
    return [*listed, f"and {more} more differences of the schema"] if more else listed


def _refuse_newer_database(applied: Names) -> None:
    """Raises CannotStart. Only at a start: during a rolling update, running processes of the old version go on."""
    if problem := describe_newer_database(applied):
        raise CannotStart(problem, NEWER)


@contextmanager
def _refusals() -> Iterator[None]:
    """Raises CannotStart instead of each expected error, and frees the connections for the programs."""
    try:
        yield
    except django.db.Error as error:
        raise CannotStart(f"cannot use the database: {explain(error)}", DATABASE) from error
    except DomainError as error:
        raise CannotStart(error.detail, TRUST) from None
    except SystemKey.DoesNotExist:
        raise CannotStart(f"the database has no root of trust. {_PREPARE}", UNPREPARED) from None
    except OSError as error:
        raise CannotStart(
            f"cannot read and write files: {error.strerror}. Check {error.filename}.", FOLDER
        ) from None
    finally:
        _disconnect()


def _disconnect() -> None:
    # This process only waits or ends, so free its connections for the programs.
    connection.close()
    if connection.vendor == "postgresql":
        connection.close_pool()  # type: ignore[attr-defined]  # Django's PostgreSQL backend has it


def _check(*more: Callable[[], Iterable[CheckMessage]]) -> list[str]:
    """The warnings of the system checks, and of ``more``. Raises CannotStart if they report an error."""
    # If the public URL is https, the errors of `check --deploy` prevent the start.
    reported = run_checks(include_deployment_checks=settings.CC_TLS, databases=["default"])
    reported += chain.from_iterable(check() for check in more)
    found = {_sentence(message): message for message in reported if not message.is_silenced()}
    errors = [sentence for sentence, message in found.items() if message.is_serious()]
    if errors:
        raise CannotStart("; ".join(errors))
    return [sentence for sentence, message in found.items() if message.level >= checks.WARNING]


def _sentence(message: CheckMessage) -> str:
    return f"{message.id}: {message.msg} {message.hint or ''}".strip()


def _migrate(applied: Names) -> None:
    if settings.CC_SQLITE and applied and count_due_migrations(applied):
        _copy_sqlite(settings.DATABASES["default"]["NAME"])
    _sequence_first_era()
    with migration_transaction():
        # All or nothing: Django records a migration only after its tables exist, so a start killed between the two
        # would block every later start. Run this even if nothing is due: the steps after the migrations may have
        # been interrupted in an earlier version.
        call_command("migrate", interactive=False, verbosity=0)


def _sequence_first_era() -> None:
    """Sequence the waiting entries of an earlier version, so that an interruption keeps what is done."""
    applied = applied_migrations()
    if ("audit", "0012_usage_of_a_key") in applied and ("audit", "0015_sequence_pending") not in applied:
        with migration_transaction():
            call_command("migrate", "audit", "0014_bundles", interactive=False, verbosity=0)
        call_command("migrate", "audit", "0015_sequence_pending", interactive=False, verbosity=0)


def _copy_sqlite(file: str) -> None:
    """Copy the database in its state before the migrations."""
    target = settings.CC_HOME / "db.sqlite3.before-migration"
    home.open_private_file(target).close()
    with (
        connection.wrap_database_errors,
        closing(sqlite3.connect(file)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy)


def _prepare_first_admin() -> str:
    """If there is no account, create the first admin with the given password, or return a set-up link."""
    first_start = Principal.system("first start", Source.COMMAND)
    if is_set_up():
        return ""
    if not settings.CC_ADMIN_PASSWORD:
        return link_codes.setup_url(issue_setup_link(principal=first_start))
    try:
        create_user(
            principal=first_start, username=_FIRST_ADMIN, password=settings.CC_ADMIN_PASSWORD, role="admin"
        )
    except Invalid as error:
        reasons = " ".join(reason for reasons in error.fields.values() for reason in reasons)
        raise CannotStart(f"CC_ADMIN_PASSWORD cannot be used: {reasons or error.detail}", SETTING) from None
    return ""


def welcome(preparation: _Preparation, *, is_served: bool) -> str:
    """The welcome box. ``is_served``: the web server starts next.

    It goes to standard output as text, never to the log: a reader of the link can become administrator.
    """
    state = "running at" if is_served else "prepared for"
    lines = [f"CipherCanary is {state} {settings.CC_PUBLIC_URL}", f"data folder      {settings.CC_HOME}"]
    if preparation.setup_link:
        lines += [
            "setup            open this link within 15 minutes (it works once):",
            f"  {preparation.setup_link}",
        ]
    lines += [f"back up          {path}" for path in kek.ring_files()]
    lines.append("Without its key-encryption key, you cannot decrypt anything in the database.")
    width = max(map(len, lines))
    bar = "─" * (width + 2)
    return "\n".join([f"┌{bar}┐", *(f"│ {line:<{width}} │" for line in lines), f"└{bar}┘"])
