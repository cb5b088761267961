"""Tricks with archived entries: their segments, the rows that stay, the files, and the triggers of the removal."""

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from audit.archive.archiving import archive_log
from audit.archive.segments import name_of
from audit.models import AuditLog, AuditRemoval, AuditSegment, AuditTile
from audit.tlog.merkle import HASH_SIZE
from campaigns.tampering.tricks import FAR, copied, exchanged_all, gone
from kernel.clock import database_now
from tests.tampering.altering import Copy, query, without_triggers
from tests.tampering.writing import SYSTEM, sequence, sign

_ENTRIES = 64  # in a segment

type Attack = Callable[[], object]


class Archived:
    """Archives the log into the folder. ``tricks`` are (kind, name, attack, first bad index)."""

    def __init__(self, folder: Path, *, times: int, seed: int) -> None:
        self.chance = random.Random(f"archived {seed}")  # noqa: S311 - the choice of rows is no secret
        self.times, self.folder = times, folder
        AuditSegment.ENTRIES, settings.CC_AUDIT_ARCHIVE = _ENTRIES, str(folder)
        before = {row["id"]: row for row in AuditLog.objects.values()}
        self.segments = archive_log(before=database_now() + timedelta(hours=1), actor=SYSTEM)
        sequence()
        sign()
        last, left = self.segments[-1].last_id, set(AuditLog.objects.values_list("id", flat=True))
        self.kept = [log_id for log_id in before if log_id in left and log_id <= last]
        self.removed = [row for log_id, row in before.items() if log_id not in left]

    def tricks(self) -> Iterator[tuple[str, Attack, int | None]]:
        for log_id in self.chance.sample(self.kept, self.times):
            yield "removed: an entry that stays", gone(AuditLog, id=log_id), log_id - 1
        for row in self.chance.sample(self.removed, self.times):
            put_back = partial(AuditLog.objects.bulk_create, [AuditLog(**row)])
            yield "inserted: an archived entry again", put_back, row["id"] - 1
            altered = AuditLog(**row | {"client_ip": "192.0.2.99"})
            put_altered = partial(AuditLog.objects.bulk_create, [altered])
            yield "inserted: an archived entry, altered", put_altered, row["id"] - 1
            yield "altered: the leaf of an archived entry", partial(_zero_leaf, row["id"] - 1), row["id"] - 1
        numbers = [segment.number for segment in self.segments]
        columns = [each.attname for each in AuditSegment._meta.concrete_fields if each.name != "number"]
        for number in self.chance.sample(numbers, min(self.times, len(numbers))):
            segment = AuditSegment.objects.get(number=number)
            other = numbers[number - 1]
            yield "removed: a segment", gone(AuditSegment, number=number), None
            yield "inserted: a segment", copied(segment, number=FAR), None
            yield "swapped: two segments", exchanged_all(AuditSegment, columns, number, other), None
            for name, damage in self._damages(number, other):
                yield f"files: {name}", damage, None
        yield "removed: every segment", gone(AuditSegment), None
        yield "inserted: a permission to remove", partial(AuditRemoval.objects.create, segment=0), None

    def _damages(self, number: int, other: int) -> Iterator[tuple[str, Attack]]:
        path = self.folder / name_of(number)
        octets = path.read_bytes()
        at = self.chance.randrange(len(octets))
        yield "one bit", lambda: path.write_bytes(octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :])
        yield "cut off", lambda: path.write_bytes(octets[:at])
        yield "more bytes", lambda: path.write_bytes(octets + octets)
        yield "removed", path.unlink
        yield "of another segment", lambda: shutil.copy(self.folder / name_of(other), path)
        yield "a link", lambda: (path.unlink(), path.symlink_to(name_of(other)))


def play_archived(campaign: Any) -> None:
    """For ``campaigns.tampering.campaign``: archive its log, and alter that."""
    options = campaign.options
    with tempfile.TemporaryDirectory(prefix="archive-") as name:
        folder = Path(name)
        archived = Archived(folder, times=options.times, seed=options.seed)
        campaign.look("untouched", "the archived log", None, is_whole=True)
        campaign.alter_cells([AuditSegment])
        whole = Copy("archived")
        for trick, attack, first in archived.tricks():
            with files_restored(folder):
                with without_triggers():
                    attack()
                campaign.look(trick, trick, first)
                with without_triggers():
                    whole.restore()
        for trick, statements, undo in triggers():
            _run(statements)
            campaign.look(f"trigger {trick.partition(':')[0]}", trick, None)
            _run(undo)
        campaign.look("untouched", "the archived log afterwards", None, is_whole=True)
        whole.drop()


@contextmanager
def files_restored(folder: Path) -> Iterator[None]:
    """Afterwards, the folder has the files of before."""
    files = {path: path.read_bytes() for path in folder.iterdir()}
    yield
    for path, octets in files.items():
        path.unlink(missing_ok=True)
        path.write_bytes(octets)


def _zero_leaf(index: int) -> None:
    tile = AuditTile.objects.get(level=0, number=index // 256)
    begin = index % 256 * HASH_SIZE
    hashes = bytes(tile.hashes)
    hashes = hashes[:begin] + bytes(HASH_SIZE) + hashes[begin + HASH_SIZE :]
    AuditTile.objects.filter(id=tile.id).update(hashes=hashes)


# --- triggers


def triggers() -> Iterator[tuple[str, list[str], list[str]]]:
    """Every alteration of each trigger: its name, the statements, and those that undo it."""
    if connection.vendor == "postgresql":
        for name, table in query(
            "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
        ):
            yield from _on_postgresql(name, table)
        return
    for name, definition in query("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"):
        drop = f"DROP TRIGGER {name}"
        yield f"dropped: {name}", [drop], [definition]
        yield f"replaced: {name}", [drop, _weak_on_sqlite(definition)], [drop, definition]


def _run(statements: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)  # without parameters, because functions contain %


def _weak_on_sqlite(definition: str) -> str:
    """The trigger, which never fires."""
    head, _, body = definition.partition("BEGIN")
    return f"{head.partition(' WHEN ')[0]} WHEN 0 BEGIN{body}"


def _on_postgresql(name: str, table: str) -> Iterator[tuple[str, list[str], list[str]]]:
    of = [name, table]
    [(definition, function, source)] = query(
        "SELECT pg_get_triggerdef(t.oid), p.oid::regproc::text, pg_get_functiondef(p.oid) FROM pg_trigger t "
        "JOIN pg_proc p ON p.oid = t.tgfoid WHERE tgname = %s AND tgrelid = %s::regclass",
        of,
    )
    drop, enable = f"DROP TRIGGER {name} ON {table}", f"ALTER TABLE {table} ENABLE TRIGGER {name}"
    weak = definition.replace(" EXECUTE", " WHEN (false) EXECUTE")
    passing = (
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RETURN coalesce(OLD, NEW); END$$"
    )
    yield f"dropped: {name}", [drop], [definition]
    yield f"disabled: {name}", [f"ALTER TABLE {table} DISABLE TRIGGER {name}"], [enable]
    yield f"only on replicas: {name}", [f"ALTER TABLE {table} ENABLE REPLICA TRIGGER {name}"], [enable]
    yield f"replaced: {name}", [drop, weak], [drop, definition]
    yield f"its function replaced: {name}", [passing], [source]
    path = f"ALTER FUNCTION {function}()"
    yield f"its function elsewhere: {name}", [f"{path} SET search_path = evil"], [f"{path} RESET search_path"]
