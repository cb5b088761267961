from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.principals import Principal
from audit.log.events import Source
from kernel.commands import ServiceCommand
from keys import services


class Command(ServiceCommand):
    help = "Rotate every active key whose rotation period has passed. Schedule this command daily."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="list the keys that are due, without rotating them"
        )

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        principal = Principal.system("rotate_keys", Source.COMMAND)
        due = failed = 0
        for outcome in services.rotate_due_keys(principal=principal, dry_run=dry_run):
            due += 1
            failed += outcome.error is not None
            self.stdout.write(_line(outcome))
        self.stdout.write(f"{due} due, {failed} failed")
        if failed:
            raise CommandError("Some keys were not rotated. See the errors above.")


def _line(outcome: services.DueRotation) -> str:
    if outcome.error is not None:
        return f"{outcome.key.name}: FAILED, {outcome.error.detail}"
    if outcome.rotation is not None:
        return f"{outcome.key.name}: rotated to version {outcome.rotation.new_version}"
    return f"{outcome.key.name}: due since {outcome.key.next_rotation_at:%Y-%m-%d}"
