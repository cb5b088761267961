from argparse import ArgumentParser
from typing import Any

from accounts.commands import SystemCommand
from accounts.second_factors.services import totp
from accounts.users.services import editing


class Command(SystemCommand):
    help = "Remove a user's authenticator. The user then signs in with the password only, until they set up a new authenticator."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--reason", default="", help="recorded in the audit log")

    def handle(self, *args: Any, username: str, reason: str, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        user_id = editing.find_user(username).id
        user = totp.reset_totp(principal=self.principal, user_id=user_id, reason=reason)
        self.stdout.write(f"{user.username} no longer has an authenticator")
