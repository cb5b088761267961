"""What must be true before anything is served: tables, root of trust, static files, somebody who can log in."""

import secrets
from dataclasses import dataclass

from django.conf import settings
from django.core.checks import Error, run_checks
from django.core.management import call_command
from django.db import DatabaseError

from accounts.models import User
from accounts.principals import Principal
from accounts.services import create_user
from ciphercanary import kek, system_keys
from ciphercanary.errors import DomainError

FIRST_ADMIN = "admin"


class CannotPrepare(Exception):
    """One line that says what is in the way and what to do."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What the terminal has to say; ``generated_password`` is shown this once and stored nowhere."""

    generated_password: str


def prepare() -> Preparation:
    """Check, migrate, establish the root of trust, collect static files, create the first account.

    Every step leaves alone what is already there. Raises CannotPrepare.
    """
    _check()
    try:
        call_command("migrate", interactive=False, verbosity=0)
        system_keys.establish()
        password = _create_first_admin()
    except DatabaseError as error:
        raise CannotPrepare(
            f"the database cannot be used: {type(error).__name__}. Check DATABASE_URL."
        ) from error
    except DomainError as error:
        raise CannotPrepare(error.detail) from None
    call_command("collectstatic", interactive=False, verbosity=0)
    return Preparation(generated_password=password)


def _check() -> None:
    # Where the public address is https, what `check --deploy` says is a reason not to start.
    errors = [m for m in run_checks(include_deployment_checks=settings.CC_TLS) if m.level >= Error("").level]
    if errors:
        raise CannotPrepare(
            "; ".join(f"{error.id}: {error.msg} {error.hint or ''}".strip() for error in errors)
        )


def _create_first_admin() -> str:
    """The password that was generated, if one was. It never resets an account that exists."""
    if User.objects.exists():
        return ""
    generated = "" if settings.CC_ADMIN_PASSWORD else secrets.token_urlsafe(18)
    create_user(
        principal=Principal.system("first start", "command"),
        username=FIRST_ADMIN,
        password=settings.CC_ADMIN_PASSWORD or generated,
        role="admin",
    )
    return generated


def welcome(preparation: Preparation) -> str:
    """The box on the terminal."""
    lines = [f"CipherCanary serves at {settings.CC_PUBLIC_URL}", f"data folder      {settings.CC_HOME}"]
    if preparation.generated_password:
        lines.append(f"first log-in     {FIRST_ADMIN} / {preparation.generated_password}   (shown this once)")
    lines += [f"back up          {path}" for path in kek.ring_files()]
    lines.append("Without its key-encryption key, nothing in the database can be opened again.")
    width = max(map(len, lines))
    bar = "─" * (width + 2)
    return "\n".join([f"┌{bar}┐", *(f"│ {line:<{width}} │" for line in lines), f"└{bar}┘"])
