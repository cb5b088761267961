import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from audit.archive.archiving import archive_log, awaited_target
from audit.commands import LogCommand
from kernel import installation
from kernel.clock import database_now
from kernel.commands import JsonCommand
from kernel.stopping import interruptible

_NONE = "Nothing was archived: no further 65,536 entries are signed and all old enough."

_WAITS = "The next segment waits for the log target {0}, which has {1} entries. Disable the target to archive without it."


class Command(JsonCommand, LogCommand):
    help = (
        "Move old successful operations of the audit log to the archive. "
        "It archives 65,536 entries at a time. You can interrupt and repeat it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--older-than",
            type=_days,
            required=True,
            metavar="DAYS",
            help="archive parts of the log whose entries are all older, such as 400d",
        )
        super().add_arguments(parser)

    def handle(self, *_args: Any, older_than: timedelta, as_json: bool, **_options: Any) -> None:
        with interruptible() as is_stopping:
            before = database_now() - older_than
            segments = archive_log(before=before, actor=self.actor, is_stopping=is_stopping)
            is_stopped = is_stopping()
        numbers = [segment.number for segment in segments]
        awaited = awaited_target(before)
        if as_json:
            size = sum(segment.size for segment in segments)
            self.write_json({"segments": numbers, "bytes": size, "waits_for": awaited and awaited.name})
        else:
            self.stdout.write(f"{len(numbers)} segments archived" if numbers or awaited else _NONE)
            if awaited:
                self.stdout.write(_WAITS.format(awaited.name, awaited.size))
        if is_stopped:
            raise self.failure(f"Interrupted. Run {installation.MANAGE} {self.name} again: it continues.")


def _days(text: str) -> timedelta:
    if not (found := re.fullmatch(r"(\d{1,5})d", text)):
        raise ArgumentTypeError(f"{text}: enter a number of days, such as 400d")
    return timedelta(days=int(found[1]))
