from argparse import ArgumentParser
from typing import Any

from accounts.commands import SystemCommand, read_new_password
from accounts.users.services import creation, invitations


class Command(SystemCommand):
    help = "Create a user. The command prompts for the password, or reads it from standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--role", required=True)
        parser.add_argument("--email")
        parser.add_argument(
            "--invite", action="store_true", help="print a link by which the user chooses the password"
        )

    def handle(self, *args: Any, invite: bool, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        given = {name: options[name] for name in ("username", "role", "email")}
        if invite:
            self.stdout.write(invitations.invite_user(principal=self.principal, **given).url)
            return
        user = creation.create_user(principal=self.principal, password=read_new_password(), **given)
        self.stdout.write(f"{user.username} created with role {user.role}, ID {user.id}")
