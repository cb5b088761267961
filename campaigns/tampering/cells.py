"""Every column of a sample of rows, altered one at a time to another value that its type allows."""

import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import models

from audit.models import (
    AuditBundle,
    AuditCheckpoint,
    AuditLog,
    AuditTile,
    AuditTrail,
    AuditTree,
    CheckpointKey,
    UsageDay,
    UsageRollup,
)
from audit.tlog.tiles import HEIGHT, WIDTH
from canaries.models import JournalPage, LogPosition, SealedDocument

MODELS = (
    AuditLog,
    AuditTrail,
    AuditBundle,
    AuditTile,
    AuditTree,
    AuditCheckpoint,
    CheckpointKey,
    UsageDay,
    UsageRollup,
    SealedDocument,
    JournalPage,
    LogPosition,
)
# Columns that carry no information about the log, and that nothing could prove.
# No row is packed here. ``tests/audit/test_packed_log.py`` alters packed ones.
PACKED = {"entries", "details"}
MEANINGLESS = {
    ("audit_bundles", "id"): "a number of the database's own; the numbers of its writer order the bundle",
    ("audit_tiles", "id"): "a number of the database's own; level and number name the tile",
    ("usage_rollups", "id"): "a number of the database's own; the bucket names the row",
    ("log_position", "singleton"): "there is one row, and the database takes no other value",
    ("usage_days", "id"): "a number of the database's own; the subject and the day name the row",
}
FAR = 10**9  # beyond every id, index and number of the sample


@dataclass(frozen=True)
class Cell:
    """A column of a row, with its value before and after the alteration.

    ``first`` and ``last``: the indices that the verifier must report, None if the row belongs to no leaf.
    """

    row: models.Model
    field: Any
    before: Any
    after: Any
    first: int | None
    last: int | None

    @property
    def name(self) -> str:
        return f"{self.row._meta.db_table}.{self.field.column}"

    def alter(self) -> None:
        self._write(self.row.pk, self.after)

    def undo(self) -> None:
        self._write(self.after if self.field.primary_key else self.row.pk, self.before)

    def _write(self, place: Any, value: Any) -> None:
        rows = type(self.row)._default_manager.filter(pk=place)
        assert rows.update(**{self.field.attname: value}) == 1, self


def cells(rows: int, seed: int, tables: Sequence[type[models.Model]] = MODELS) -> Iterator[Cell]:
    """The cells of ``rows`` rows of each table, or of all that it has."""
    chance = random.Random(f"cells {seed}")  # noqa: S311 - the choice of rows is no secret
    size = AuditTree.objects.get().size
    places = {log_id: log_id - 1 for log_id in range(1, size + 1)}
    events = {event: places.get(log_id) for event, log_id in AuditLog.objects.values_list("event_id", "id")}
    for model in tables:
        found = list(model._default_manager.order_by("pk"))
        for row in sorted(chance.sample(found, min(rows, len(found))), key=lambda row: row.pk):
            for field in model._meta.concrete_fields:
                if (model._meta.db_table, field.column) in MEANINGLESS or field.column in PACKED:
                    continue
                before = getattr(row, field.attname)
                after = other(field, before, chance)
                assert after != before
                first, last = place_of(row, before, after, places, events)
                yield Cell(row, field, before, after, first, last)


def place_of(row, before, after, places, events) -> tuple[int | None, int | None]:
    match row:
        case AuditLog():
            return places.get(row.id), places.get(row.id)
        case AuditTrail():
            return events.get(row.event_id), events.get(row.event_id)
        case AuditTile():
            position = row.number * WIDTH
            if isinstance(after, bytes):
                position += (
                    next(at for at, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1])
                    // 32
                )
            first = position << HEIGHT * row.level
            return first, first + (1 << HEIGHT * row.level) - 1
    return None, None


def other(field: models.Field, before: Any, chance: random.Random) -> Any:  # noqa: PLR0911 - one for each type
    """Another value that the column accepts, either very similar or very different."""
    match field, before:
        case models.JSONField(), dict() | None:
            return chance.choice([{**(before or {}), "smuggled": 1}, {"name": "c"}])
        case models.UUIDField(), _:
            return uuid.UUID(int=chance.getrandbits(128), version=4)
        case models.DateTimeField(), None:
            return datetime.now(UTC)
        case models.BinaryField(), _:
            return flipped(bytes(before), chance)
        case _, datetime():
            return before + chance.choice(
                [timedelta(microseconds=1), timedelta(microseconds=-1), timedelta(days=-1)]
            )
        case _, int() | None if not isinstance(field, models.CharField | models.TextField):
            return another_number(field, before, chance)
        case _ if field.choices:
            return chance.choice([word for word, _ in field.choices if word != before])
    return another_text(before, chance)


def flipped(octets: bytes, chance: random.Random) -> bytes:
    """Flip one bit; empty bytes become one byte."""
    if not octets:
        return b"\0"
    at = chance.randrange(len(octets))
    return octets[:at] + bytes([octets[at] ^ 1 << chance.randrange(8)]) + octets[at + 1 :]


def another_number(field: models.Field, before: int | None, chance: random.Random) -> int:
    # Unique or referenced numbers move to unused values, because the database would refuse duplicates.
    if isinstance(field, models.PositiveSmallIntegerField):
        return before + 50
    if field.primary_key or field.name in {"wseq", "log_id", "number"}:
        return FAR + (before or 0)
    return chance.choice([(before or 0) + 1, (before or 0) + 4096])


def another_text(before: str, chance: random.Random) -> str:
    if not before:
        return chance.choice(["x", "0"])
    at = chance.randrange(len(before))
    return before[:at] + ("x" if before[at] != "x" else "y") + before[at + 1 :]
