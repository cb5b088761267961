from argparse import ArgumentParser
from typing import Any

from accounts.commands import SystemCommand, read_new_password
from accounts.users.services import editing


class Command(SystemCommand):
    help = "Set a user's password and end their sessions. The command prompts for the password, or reads it from standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        user = editing.find_user(username)
        editing.set_password(principal=self.principal, user_id=user.id, password=read_new_password())
        self.stdout.write(f"{user.username} has a new password, and all sessions have ended")
