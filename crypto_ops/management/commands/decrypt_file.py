from pathlib import Path
from typing import Any

from crypto_ops.files.copying import decrypt_file
from crypto_ops.management.files import FileCommand


class Command(FileCommand):
    help = "Decrypt a file that the API, a client or encrypt_file encrypted. It is verified first."

    def handle(self, *_args: Any, source: Path, target: Path, aad: str, **_options: Any) -> None:
        self.copy(
            target,
            lambda report: decrypt_file(
                principal=self.principal, source=source, target=target, aad=aad.encode(), report=report
            ),
        )
