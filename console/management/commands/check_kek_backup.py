from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from accounts.commands import SystemCommand
from console.key_encryption.copies import TEXTS, CheckedCopy, Verdict, check_kek_copies
from kernel.commands import JsonCommand


class Command(JsonCommand, SystemCommand):
    help = "Prove that a copy of the key-encryption keys is good. Exit codes: 0 good, 1 not good."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "path",
            type=Path,
            metavar="FILE",
            help="a file kek-<id>.key, a folder of backup_kek, or a file with the value of CC_KEK",
        )
        super().add_arguments(parser)

    def handle(self, *_args: Any, path: Path, as_json: bool, **_options: Any) -> None:
        checked = check_kek_copies(principal=self.principal, path=path)
        is_good = all(copy.verdict == Verdict.GOOD for copy in checked)
        if as_json:
            self.write_json({"is_good": is_good, "keys": [_facts(copy) for copy in checked]})
        else:
            self.stdout.write("\n".join(map(_line, checked)))
        if not is_good:
            raise self.failure("The copy is not good. Make a new one with backup_kek.")


def _facts(copy: CheckedCopy) -> dict[str, str]:
    return {"file": copy.file, "id": copy.kek_id, "use": copy.use, "verdict": copy.verdict.value}


def _line(copy: CheckedCopy) -> str:
    name = f"key-encryption key {copy.kek_id} ({copy.use})" if copy.kek_id else "this file"
    return f"{copy.file}: {name} {TEXTS[copy.verdict]}"
