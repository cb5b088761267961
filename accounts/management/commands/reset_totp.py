from argparse import ArgumentParser
from typing import Any

from accounts import services
from accounts.management.base import AccountCommand


class Command(AccountCommand):
    help = (
        "Take the authenticator of a user away, who then logs in with the password alone and can enrol anew."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        user = services.reset_totp(principal=self.principal, user_id=services.find_user(username).id)
        self.stdout.write(f"{user.username} has no authenticator any more")
