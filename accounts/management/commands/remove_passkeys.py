from argparse import ArgumentParser
from typing import Any

from accounts.commands import SystemCommand
from accounts.second_factors.services import passkeys
from accounts.users.services import editing


class Command(SystemCommand):
    help = "Remove all passkeys of a user. Sessions stay active. To end them, use update_user --sign-out."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        user = editing.find_user(username)
        count = passkeys.remove_passkeys_of(principal=self.principal, user_id=user.id)
        self.stdout.write(f"{user.username}: {count} passkey{'' if count == 1 else 's'} removed")
