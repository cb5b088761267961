from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from accounts.commands import SystemCommand
from accounts.users.services.editing import find_user
from kernel.crypto.transit.backup import read_backup
from kernel.identities import Identity
from keys.transit.importing import import_transit_backup

_MAX_SIZE: Final = 64 * 1024 * 1024  # bytes
_MOUNT: Final = "transit"


class Command(SystemCommand):
    help = "Import a transit key of OpenBao or Vault from a plaintext backup, with all its versions."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the backup: all secrets of the key are in it, in plain")
        parser.add_argument("--owner", required=True, metavar="USERNAME", help="the user who owns the key")
        parser.add_argument("--name", default="", help="default: the name in the backup")

    def handle(self, *_args: Any, file: Path, owner: str, name: str, **_options: Any) -> None:
        user = find_user(owner)
        backup = read_backup(self._read(file))
        found = import_transit_backup(
            principal=self.principal,
            backup=backup,
            mount=_MOUNT,
            name=name or backup.name,
            owner=Identity.user(user.id),
        )
        key, imported = found.key, len(backup.versions)
        self.stdout.write(f"{found.transit} imported with {imported} versions as {key.name}, ID {key.id}")
        if key.primary_version > backup.newest:
            self.stdout.write(
                f"Rotated to version {key.primary_version}. The imported versions only decrypt."
            )
        self.stdout.write(f"Delete {file}: all secrets of the key are in it.")

    def _read(self, file: Path) -> str:
        with file.open("rb") as source:
            content = source.read(_MAX_SIZE + 1)
        if len(content) > _MAX_SIZE:
            raise self.failure(f"{file}: more than {_MAX_SIZE} bytes are no backup of a key")
        return content.decode("latin-1")  # base64 has ASCII only; other bytes are refused with the backup
