from argparse import ArgumentParser
from typing import Any

from accounts import services
from accounts.management.base import AccountCommand


class Command(AccountCommand):
    help = "Take all passkeys of a user away, whose devices are lost or stolen. His sessions go on: see update_user."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        user = services.find_user(username)
        count = services.remove_passkeys_of(principal=self.principal, user_id=user.id)
        self.stdout.write(f"{user.username} has no passkey any more; there were {count}")
