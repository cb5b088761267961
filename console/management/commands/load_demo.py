import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.principals import Principal
from audit.log.events import Source
from console.demo_data import PEOPLE
from console.services.demo import CreatedKey, Demo, is_fresh
from kernel.commands import ServiceCommand

HAS_KEYS = (
    "This instance already has keys. You cannot separate demo users and keys from your own later, and audit entries "
    "cannot be removed. To continue, add --yes."
)


class Command(ServiceCommand):
    help = "Fill a fresh instance with example people and keys."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--yes", action="store_true", help="load the demo even if there are keys or accounts"
        )
        parser.add_argument(
            "--password-from-stdin",
            action="store_true",
            help="use the first line of standard input as the password of all users; otherwise each user gets a new password, shown once",
        )

    def handle(self, *args: Any, yes: bool, password_from_stdin: bool, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        principal = Principal.system("load_demo", Source.COMMAND)
        if not yes and not is_fresh(principal):
            raise CommandError(HAS_KEYS)
        password = sys.stdin.readline().rstrip("\r\n") if password_from_stdin else ""
        demo = Demo(principal)
        try:
            self._load(demo, password)
        except KeyboardInterrupt:
            raise CommandError(
                "Stopped. Users and keys created so far remain. To create the rest, run again with --yes.",
                returncode=130,
            ) from None
        finally:
            demo.sign_out()

    def _load(self, demo: Demo, password: str) -> None:
        demo.make_people(password)
        # Print passwords now instead of at the end: they are shown only once, and the user may interrupt the rest.
        for username, role in PEOPLE:
            shown = "as given" if password else demo.passwords[username]
            self.stdout.write(f"{username:<13} {role:<10} {shown}")
        for step in demo.make_keys():
            self._report(step)
        demo.request_export()
        self.stdout.write("The demo is loaded. Sign in as one of these users.")

    def _report(self, step: CreatedKey) -> None:
        self.stdout.write(f"key {step.done} of {step.total}: {step.what}")
        self.stdout.flush()
