import sys
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.core.management.base import CommandError

from accounts.commands import SystemCommand
from canaries.documents import Kind
from demo.canaries import DemoCanaries
from demo.data import OFFICER, PEOPLE, PLANTED
from demo.instance import INCOMPLETE
from demo.services import Demo, LoadedDay
from demo.users import DemoUsers

DAYS = 60
_SHOWN_CODES = 5
FEWEST_DAYS, MOST_DAYS = 2, 365


class Command(SystemCommand):
    help = "Fill an empty instance with example people, keys and a history."
    requires_migrations_checks = False  # the preparation migrates
    prepared_alone: Callable[[], AbstractContextManager[None]] = nullcontext

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--days",
            type=int,
            default=DAYS,
            metavar="N",
            help=f"length of the history, {FEWEST_DAYS} to {MOST_DAYS} days (default: {DAYS})",
        )
        parser.add_argument(
            "--password-from-stdin",
            action="store_true",
            help="use the first line of standard input as the password of all users; otherwise each user gets a new password, shown once",
        )

    def handle(self, *args: Any, days: int, password_from_stdin: bool, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        if not FEWEST_DAYS <= days <= MOST_DAYS:
            raise CommandError(f"--days: Use {FEWEST_DAYS} to {MOST_DAYS} days.")
        users = DemoUsers()
        users.choose_passwords(sys.stdin.readline().rstrip("\r\n") if password_from_stdin else "")
        demo = Demo(self.principal, users, days)
        try:
            with self.prepared_alone():
                demo.load(self._report)
        except KeyboardInterrupt:
            raise CommandError(f"Stopped. {INCOMPLETE}", returncode=130) from None
        # At the end, because the passwords of an incomplete demo are of no use.
        for username, role in PEOPLE:
            shown = "as given" if password_from_stdin else users.passwords[username]
            self.stdout.write(f"{username:<13} {role:<10} {shown}")
        self._show_factor(demo.canaries)
        planted = next(decoy.name for decoy in PLANTED if decoy.kind is Kind.USER)
        self.stdout.write(
            f"The demo is loaded. Sign in as one of these users. {planted} is a canary: a sign-in disables it."
        )

    def _show_factor(self, canaries: DemoCanaries) -> None:
        self.stdout.write(
            f"Second factor of {OFFICER}, the officer who sees canaries. Each recovery code works once:"
        )
        for code in canaries.recovery_codes[:_SHOWN_CODES]:
            self.stdout.write(f"  {code}")
        self.stdout.write(f"Or add this key to an authenticator: {canaries.secret}")

    def _report(self, day: LoadedDay) -> None:
        self.stdout.write(f"day {day.number} of {day.total}: {day.steps} steps")
        self.stdout.flush()
