from argparse import ArgumentParser
from typing import Any

from accounts.commands import SystemCommand
from console.key_encryption.services import Rotation, create_kek_file, rotate_kek
from kernel import installation
from kernel.commands import JsonCommand

BACK_UP = f"Back it up now, apart from the database: {installation.MANAGE} backup_kek DIR"


class Command(JsonCommand, SystemCommand):
    help = "Make a new key-encryption key primary. Then run rewrap_keys."

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--id",
            dest="kek_id",
            default="",
            metavar="ID",
            help="use this key, which every host already has as a file of the data folder or in CC_KEK",
        )
        how.add_argument(
            "--create-only",
            action="store_true",
            help="only create the file of a new key, to copy it to the other hosts first",
        )
        how.add_argument(
            "--one-host",
            action="store_true",
            help="create a new key even with PostgreSQL, because all processes use this data folder",
        )
        super().add_arguments(parser)

    def handle(
        self, *_args: Any, kek_id: str, create_only: bool, one_host: bool, as_json: bool, **_options: Any
    ) -> None:
        if create_only:
            file = create_kek_file(principal=self.principal)
            created = {"id": file.stem.removeprefix("kek-"), "file": str(file)}
            if as_json:
                self.write_json(created)
            else:
                self.stdout.write(f"created {file}, which nothing uses yet. {BACK_UP}")
                then = f"{installation.MANAGE} rotate_kek --id {created['id']}"
                self.stdout.write(f"Copy it to the data folder of every host. Then run {then}")
            return
        rotation = rotate_kek(principal=self.principal, kek_id=kek_id, has_one_host=one_host)
        if as_json:
            self.write_json(_facts(rotation))
        else:
            self.stdout.write("\n".join(_lines(rotation)))


def _facts(rotation: Rotation) -> dict[str, object]:
    return {
        "id": rotation.kek_id,
        "previous": rotation.previous,
        "file": None if rotation.file is None else str(rotation.file),
        "keys_to_rewrap": rotation.outdated,
    }


def _lines(rotation: Rotation) -> list[str]:
    lines = [f"key-encryption key {rotation.kek_id} is primary, instead of {rotation.previous}"]
    if rotation.file is not None:
        lines.append(f"Its file is {rotation.file}. {BACK_UP}")
    lines.append(
        f"{rotation.outdated} stored keys are wrapped under older keys. Run {installation.MANAGE} rewrap_keys"
    )
    return lines
