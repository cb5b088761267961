from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from crypto_ops.files.copying import encrypt_file
from crypto_ops.management.files import FileCommand
from keys.reading import services


class Command(FileCommand):
    help = "Encrypt a file with a key of this installation, as a stream."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("key", help="the name of an AES-256 key")
        super().add_arguments(parser)

    def handle(self, *_args: Any, key: str, source: Path, target: Path, aad: str, **_options: Any) -> None:
        key_id = services.find_key(principal=self.principal, name=key).id
        self.copy(
            target,
            lambda report: encrypt_file(
                principal=self.principal,
                key_id=key_id,
                source=source,
                target=target,
                aad=aad.encode(),
                report=report,
            ),
        )
