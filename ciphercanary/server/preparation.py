"""The prerequisites of serving: tables, root of trust, static files, and an account that can sign in."""

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import django.db
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core import checks
from django.core.checks import CheckMessage, run_checks
from django.core.management import call_command
from django.db import connection, transaction

from accounts import setup_codes
from accounts.principals import Principal
from accounts.services import bootstrap_signing_keys, create_user, is_set_up, issue_setup_link
from audit.log.events import Source
from audit.sequencing.checkpoint_keys import bootstrap_checkpoint_keys
from audit.sequencing.head import check_head
from kernel.databases.applied_migrations import applied_migrations, count_due_migrations
from kernel.databases.database_errors import explain
from kernel.errors import DomainError, Invalid
from kernel.trust import kek, system_keys

FIRST_ADMIN = "admin"
STATIC_STAMP = ".collected"  # in the folder of the static files: the digest of their sources


class CannotPrepare(Exception):
    """One line with the problem and its remedy."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """The output for the terminal. ``setup_link`` is shown only once; it is "" if an account exists."""

    setup_link: str = field(repr=False)
    warnings: list[str]


def prepare() -> Preparation:
    """Check, migrate, bootstrap the root of trust and signing keys, collect static files, prepare the first account.

    A database that lacks audit log entries which this host has already seen is refused before anything is written
    to it. Every step leaves existing data unchanged. Raises CannotPrepare.
    """
    try:
        warnings = _check()
        _migrate()
        system_keys.bootstrap()
        check_head()
        bootstrap_signing_keys()
        bootstrap_checkpoint_keys()
        _collect_static_files()
        link = _prepare_first_admin()
    except django.db.Error as error:
        raise CannotPrepare(f"cannot use the database: {explain(error)}") from error
    except DomainError as error:
        raise CannotPrepare(error.detail) from None
    except OSError as error:
        raise CannotPrepare(
            f"cannot read and write the data folder: {error.strerror}. Check {error.filename}."
        ) from None
    finally:
        _disconnect()
    return Preparation(setup_link=link, warnings=warnings)


def _disconnect() -> None:
    # This process only waits from here on, so free its connections for the processes that serve.
    connection.close()
    if connection.vendor == "postgresql":
        connection.close_pool()  # type: ignore[attr-defined]  # Django's PostgreSQL backend has it


def _check() -> list[str]:
    """The warnings of the system checks. Raises CannotPrepare if they report an error."""
    # If the public URL is https, the errors of `check --deploy` prevent the start.
    found = [
        message
        for message in run_checks(include_deployment_checks=settings.CC_TLS, databases=["default"])
        if not message.is_silenced()
    ]
    errors = [message for message in found if message.is_serious()]
    if errors:
        raise CannotPrepare("; ".join(map(_sentence, errors)))
    return [_sentence(message) for message in found if message.level >= checks.WARNING]


def _sentence(message: CheckMessage) -> str:
    return f"{message.id}: {message.msg} {message.hint or ''}".strip()


def _migrate() -> None:
    if settings.CC_SQLITE and applied_migrations() and count_due_migrations():
        _copy_sqlite(settings.DATABASES["default"]["NAME"])
    with _constraints_unchecked(), transaction.atomic():
        # All or nothing: Django records a migration only after its tables exist, so a start killed between the two
        # would block every later start. Run this even if nothing is due: the steps after the migrations may have
        # been interrupted in an earlier version.
        call_command("migrate", interactive=False, verbosity=0)


@contextmanager
def _constraints_unchecked() -> Iterator[None]:
    # SQLite's schema editor requires them to be off, and SQLite cannot turn them off inside a transaction. The
    # schema editor checks the constraints before the transaction ends.
    connection.disable_constraint_checking()
    try:
        yield
    finally:
        connection.enable_constraint_checking()


def _copy_sqlite(file: str) -> None:
    """Copy the database in its state before the migrations."""
    target = settings.CC_HOME / "db.sqlite3.before-migration"
    with (
        connection.wrap_database_errors,
        closing(sqlite3.connect(file)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy)
    target.chmod(0o600)


def _collect_static_files() -> None:
    """Collect the static files if one has changed since the last start: hashing and compressing them takes seconds."""
    stamp, current = Path(settings.STATIC_ROOT) / STATIC_STAMP, _digest_of_static_files()
    if stamp.exists() and stamp.read_text() == current:
        return
    # This removes the stamp, too, so an interrupted collection is repeated.
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    os.sync()  # a power failure must not leave the stamp next to empty files
    stamp.write_text(current)


def _digest_of_static_files() -> str:
    """A digest of the names and contents of the files, and of the application's folder."""
    digest = hashlib.sha256(str(settings.BASE_DIR).encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            content = Path(storage.path(name)).read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _prepare_first_admin() -> str:
    """If there is no account, create the first admin with the given password, or return a set-up link."""
    first_start = Principal.system("first start", Source.COMMAND)
    if is_set_up():
        return ""
    if not settings.CC_ADMIN_PASSWORD:
        return setup_codes.link_of(issue_setup_link(principal=first_start))
    try:
        create_user(
            principal=first_start, username=FIRST_ADMIN, password=settings.CC_ADMIN_PASSWORD, role="admin"
        )
    except Invalid as error:
        reasons = " ".join(reason for reasons in error.fields.values() for reason in reasons)
        raise CannotPrepare(f"CC_ADMIN_PASSWORD cannot be used: {reasons or error.detail}") from None
    return ""


def welcome(preparation: Preparation) -> str:
    """The welcome box for the terminal."""
    lines = [f"CipherCanary is running at {settings.CC_PUBLIC_URL}", f"data folder      {settings.CC_HOME}"]
    if preparation.setup_link:
        lines += [
            "setup            open this link within 15 minutes (it works once):",
            f"  {preparation.setup_link}",
        ]
    lines += [f"back up          {path}" for path in kek.ring_files()]
    lines.append("Without its key-encryption key, you cannot decrypt anything in the database.")
    width = max(map(len, lines))
    bar = "─" * (width + 2)
    box = [f"┌{bar}┐", *(f"│ {line:<{width}} │" for line in lines), f"└{bar}┘"]
    return "\n".join([*box, *(f"warning: {warning}" for warning in preparation.warnings)])
