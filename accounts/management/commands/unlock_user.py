from argparse import ArgumentParser
from typing import Any

from accounts.commands import SystemCommand
from accounts.users.services import editing


class Command(SystemCommand):
    help = "Clear the failed sign-ins of a user."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        user = editing.unlock_user(principal=self.principal, user_id=editing.find_user(username).id)
        self.stdout.write(f"{user.username} can sign in again")
