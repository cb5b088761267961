from argparse import ArgumentParser
from typing import Any

from accounts import services
from accounts.management.base import AccountCommand


class Command(AccountCommand):
    help = "Remove a user's authenticator. The user then signs in with the password only, until they set up a new authenticator."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        user = services.reset_totp(principal=self.principal, user_id=services.find_user(username).id)
        self.stdout.write(f"{user.username} no longer has an authenticator")
