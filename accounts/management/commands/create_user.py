from argparse import ArgumentParser
from typing import Any

from accounts import services
from accounts.management.base import AccountCommand, read_new_password
from accounts.roles import ROLES


class Command(AccountCommand):
    help = "Create a user. The command prompts for the password, or reads it from standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--role", required=True, choices=list(ROLES))
        parser.add_argument("--email")

    def handle(self, *args: Any, username: str, role: str, email: str | None, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        user = services.create_user(
            principal=self.principal, username=username, password=read_new_password(), role=role, email=email
        )
        self.stdout.write(f"{user.username} created with role {user.role}, ID {user.id}")
