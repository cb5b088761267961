from argparse import ArgumentParser
from typing import Any

from accounts.commands import SystemCommand
from accounts.tokens.services import signing_keys


class Command(SystemCommand):
    help = "Sign access tokens with the next key and publish a new next key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--emergency",
            action="store_true",
            help="use if the key may be compromised: rotate without waiting, and end every access token that the key signed",
        )

    def handle(self, *args: Any, emergency: bool, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        key = signing_keys.rotate_signing_key(principal=self.principal, is_emergency=emergency)
        self.stdout.write(f"{key.kid} now signs access tokens")
