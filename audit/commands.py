"""Shared parts of commands about the log: the actor, progress reports, and files with checkpoints or keys."""

import logging
import time
from pathlib import Path

from audit.log.events import Actor, Source
from audit.tlog.checkpoint import Checkpoint, CheckpointInvalid, VerifierKey
from kernel.commands import ServiceCommand
from kernel.errors import Invalid
from kernel.observability import standard_error


class LogCommand(ServiceCommand):
    """Acts as the application itself, under the name of the command."""

    @property
    def actor(self) -> Actor:
        return Actor.system(self.name, Source.COMMAND)


class PeriodicProgress:
    """Reports the progress of long operations, and nothing of short ones."""

    SECONDS = 5.0

    def __init__(self, unit: str = "entries") -> None:
        self._unit = unit
        self._written_at = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._written_at >= self.SECONDS:
            self._written_at = time.monotonic()
            standard_error.report(f"{done} of {total} {self._unit}", logging.INFO)


def read_note(name: str) -> str:
    """The text of a file. Raises Invalid."""
    try:
        return Path(name).read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{name}: this is not a readable checkpoint: {error}") from error


def read_notes(name: str) -> list[str]:
    """The signed notes in a file: one, or all of an anchor file. Their signatures are not checked. Raises Invalid."""
    parts = read_note(name).strip("\n").split("\n\n")
    texts, signatures = parts[::2], parts[1::2]
    try:
        for text in texts:
            Checkpoint.parse(text + "\n")
    except CheckpointInvalid as error:
        raise Invalid(f"{name}: this is not a readable checkpoint: {error}") from error
    if len(texts) != len(signatures):
        raise Invalid(f"{name}: this is not a readable checkpoint: the last one has no signature")
    return [f"{text}\n\n{signed}\n" for text, signed in zip(texts, signatures, strict=True)]


def read_keys(given: str) -> list[VerifierKey]:
    """A key, or the keys in a file. Raises Invalid."""
    try:
        text = Path(given).read_text() if Path(given).is_file() else given
        keys = [VerifierKey.parse(vkey) for vkey in text.split()]
    except (OSError, ValueError) as error:
        raise Invalid(f"{given}: this is neither a key nor a readable file of keys: {error}") from error
    if not keys:
        raise Invalid(f"{given}: the file contains no key")
    return keys
