"""Rows removed, inserted, swapped, duplicated, renumbered; the end cut off, copies restored, all forged."""

import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.models import F, Max, Model

from audit.log.entries import ENTRY_FIELDS, entry_bytes
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
from audit.sequencing.head import HEAD_FILE
from audit.tlog.merkle import HASH_SIZE, leaf_hash
from audit.tlog.tiles import WIDTH
from canaries.models import JournalPage, LogPosition, SealedDocument
from tests.tampering import forging, respelling
from tests.tampering.altering import Copy, query

FAR = 10**9
VERIFY = "verify_audit_log"
WITH_CHECKPOINT = "verify_audit_log --key --checkpoint"
WITH_KEY = "verify_audit_log --key"
CCVERIFY = "ccverify --key --checkpoint"
EVERYWHERE = (WITH_CHECKPOINT, CCVERIFY)


@dataclass(frozen=True)
class Trick:
    """``first``: the first bad index, or None. ``verifiers``: the verifiers that must all detect it."""

    kind: str
    name: str
    attack: Callable[[], object]
    first: int | None = None
    verifiers: tuple[str, ...] = (VERIFY,)
    blind: tuple[str, ...] = field(default=())  # verifiers that cannot detect it, as documented


class Tricks:
    """The tricks that are possible on the current log; ``old`` is an earlier copy of it."""

    def __init__(self, *, times: int, seed: int, old: Copy) -> None:
        self.times = times
        self.old = old
        self.chance = random.Random(f"tricks {seed}")  # noqa: S311 - the choice of rows is no secret
        self.order = forging.entries()
        self.size = len(self.order)
        self.places = {log_id: index for index, log_id in enumerate(self.order)}
        events = AuditLog.objects.filter(id__in=self.order).values_list("event_id", "id")
        self.events = {event_id: self.places[log_id] for event_id, log_id in events}
        self.trail = [row for row in AuditTrail.objects.order_by("id") if row.event_id in self.events]
        self.sizes = list(AuditCheckpoint.objects.order_by("size").values_list("size", flat=True))

    def __iter__(self) -> Iterator[Trick]:
        for group in (
            self.removed,
            self.inserted,
            self.swapped,
            self.duplicated,
            self.renumbered,
            self.respelled,
            self.cut,
            self.restored,
            self.sealed,
            self.forged,
        ):
            yield from group()

    def indices(self) -> list[int]:
        return sorted(self.chance.sample(range(self.size), self.times))

    def pairs(self) -> list[tuple[int, int]]:
        return [tuple(sorted(self.chance.sample(range(self.size), 2))) for _ in range(self.times)]

    # --- one row more or less

    def removed(self) -> Iterator[Trick]:
        kind = "removed"
        for index in self.indices():
            log_id = self.order[index]
            yield Trick(kind, "an entry", gone(AuditLog, id=log_id), index)
            yield Trick(
                kind, "an entry, the tree made anew", lambda log_id=log_id: self.forget(log_id), index
            )
        for row in self.chance.sample(self.trail, min(self.times, len(self.trail))):
            yield Trick(kind, "a changed row", gone(AuditTrail, id=row.id), self.events[row.event_id])
        for bundle in AuditBundle.objects.all():
            is_last = not AuditBundle.objects.filter(writer=bundle.writer, first__gt=bundle.first).exists()
            verifiers = (
                {"verifiers": (), "blind": (VERIFY,)} if is_last else {}
            )  # the next of its writer shows it
            yield Trick(kind, "a bundle that waits", gone(AuditBundle, id=bundle.id), **verifiers)
        for tile in AuditTile.objects.all():
            yield Trick(kind, "a tile", gone(AuditTile, id=tile.id), tile.number * WIDTH << 8 * tile.level)
        yield Trick(kind, "the row of the tree", gone(AuditTree, id=1))
        yield Trick(kind, "the newest checkpoint", gone(AuditCheckpoint, size=self.sizes[-1]))
        yield Trick(kind, "every checkpoint", gone(AuditCheckpoint))
        for key in CheckpointKey.objects.all():
            yield Trick(kind, "a key", gone(CheckpointKey, kid=key.kid))
        for usage in self.some(UsageRollup):
            yield Trick(kind, "usage", gone(UsageRollup, id=usage.id))
        for sums in self.some(UsageDay):
            yield Trick(kind, "usage of a day", gone(UsageDay, id=sums.id))

    def inserted(self) -> Iterator[Trick]:
        kind = "inserted"
        for index in self.indices():
            yield Trick(kind, "an entry", lambda index=index: self.smuggle(index))
            yield Trick(
                kind, "an entry, the tree made anew", lambda index=index: self.smuggle(index, at=index), index
            )
        yield Trick(
            kind, "an entry at the end, the tree made anew", lambda: self.smuggle(0, at=self.size), self.size
        )
        for row in self.chance.sample(self.trail, min(self.times, len(self.trail))):
            naming = self.events[row.event_id]
            yield Trick(kind, "a changed row of an entry", copied(row, record_id="smuggled"), naming)
            silent = next(event for event in self.events if all(event != row.event_id for row in self.trail))
            yield Trick(
                kind, "a changed row of another entry", copied(row, event_id=silent), self.events[silent]
            )
            yield Trick(kind, "a changed row of nothing", copied(row, event_id=uuid.uuid4()))
        tile = AuditTile.objects.first()
        yield Trick(kind, "a tile", copied(tile, number=FAR))
        yield Trick(kind, "a tile of a level that is not there", copied(tile, level=9))
        checkpoint = AuditCheckpoint.objects.get(size=self.sizes[1])
        for size in (1, self.sizes[0] - 1, self.size + 5):
            yield Trick(kind, "a checkpoint", copied(checkpoint, size=size))
        yield Trick(kind, "a key", copied(CheckpointKey.objects.first(), kid="smuggled", state="retired"))
        usage = UsageRollup.objects.first()
        yield Trick(kind, "usage", copied(usage, principal="nobody"))
        bundle = AuditBundle.objects.first()
        yield Trick(
            kind, "a bundle that waits, of another writer", copied(bundle, writer=uuid.uuid4(), first=1)
        )
        yield Trick(kind, "a bundle that waits, again", copied(bundle))
        yield Trick(kind, "a bundle without entries", copied(bundle, entries=0, body=b"{}"))
        yield Trick(kind, "usage of a day", copied(UsageDay.objects.first(), subject="nobody"))

    def duplicated(self) -> Iterator[Trick]:
        kind = "duplicated"
        for index in self.indices():
            entry = AuditLog.objects.get(id=self.order[index])
            yield Trick(kind, "an entry", copied(entry, id=FAR, wseq=FAR))
        for row in self.chance.sample(self.trail, min(self.times, len(self.trail))):
            yield Trick(kind, "a changed row", copied(row), self.events[row.event_id])

    # --- exchanged rows

    def swapped(self) -> Iterator[Trick]:
        kind = "swapped"
        for first, second in self.pairs():
            ids = self.order[first], self.order[second]
            yield Trick(kind, "the ids of two entries", exchanged(AuditLog, "id", *ids), first)
            contents = [name.attname for name in AuditLog._meta.concrete_fields if name.name != "id"]
            yield Trick(
                kind, "all of two entries but the ids", exchanged_all(AuditLog, contents, *ids), first
            )
            leaves = partial(self.exchange_leaves, first, second)
            yield Trick(kind, "two leaves", leaves, first)
            yield Trick(
                kind, "two entries, the tree made anew", lambda f=first, s=second: self.reorder(f, s), first
            )
        for _ in range(self.times):
            one, two = self.chance.sample(self.trail, 2)
            place = min(self.events[one.event_id], self.events[two.event_id])
            names = ["table_name", "record_id", "old_values", "new_values", "action"]
            if any(getattr(one, name) != getattr(two, name) for name in names):
                yield Trick(kind, "two changed rows", exchanged_all(AuditTrail, names, one.id, two.id), place)
        tiles = list(AuditTile.objects.filter(level=0).order_by("number"))[:-1]
        if len(tiles) > 1:
            pair = sorted(self.chance.sample(tiles, 2), key=lambda tile: tile.number)
            hashes = exchanged_all(AuditTile, ["hashes"], *(tile.id for tile in pair))
            yield Trick(kind, "two tiles", hashes, pair[0].number * WIDTH)
        notes = exchanged_all(AuditCheckpoint, ["note"], self.sizes[0], self.sizes[1])
        yield Trick(kind, "two checkpoints", notes)

    # --- other numbers

    def renumbered(self) -> Iterator[Trick]:
        kind = "renumbered"
        for writer in AuditLog.objects.order_by().values_list("writer", flat=True).distinct():
            rows = AuditLog.objects.filter(writer=writer)
            places = [self.places[row.id] for row in rows if row.id in self.places]
            yield Trick(
                kind,
                "the rows of a writer",
                lambda rows=rows: shifted(rows, "wseq", 1),
                min(places, default=None),
            )
        for index in self.indices():
            entry = AuditLog.objects.filter(id=self.order[index])
            yield Trick(kind, "an entry", lambda entry=entry: entry.update(id=FAR), index)
        yield Trick(kind, "every entry", lambda: AuditLog.objects.update(id=F("id") + FAR), 0)

    def respelled(self) -> Iterator[Trick]:
        if connection.vendor != "sqlite":
            return
        for table, column, name, spelling in respelling.CASES:
            attack = partial(respelling.respell, table, column, spelling)
            yield Trick("respelled", f"{table}.{column} with {name}", attack)

    # --- the end

    def cut(self) -> Iterator[Trick]:
        kind = "cut off"
        kept = sorted({self.size - 1, self.size - 10, self.size // 2, self.sizes[0], 1})
        for size in kept:
            yield Trick(kind, "the end, consistently", lambda size=size: forging.cut(size), size)
            yield Trick(
                kind, "the end, not of the tree", lambda size=size: forging.cut(size, rolls_back=False), size
            )
            if size >= self.sizes[0]:
                yield Trick(
                    kind,
                    "the end, consistently, and of what the host remembers",
                    together(lambda size=size: forging.cut(size), forget_head),
                    size,
                    verifiers=(WITH_CHECKPOINT,),
                    blind=(VERIFY,),
                )

    def restored(self) -> Iterator[Trick]:
        with_old = self.old.restore_tables
        kind = "an old copy"
        yield Trick(kind, "put back", with_old, self.old_size())
        yield Trick(
            kind,
            "put back, and what the host remembers removed",
            together(with_old, forget_head),
            self.old_size(),
            verifiers=EVERYWHERE,
            blind=(VERIFY, WITH_KEY),
        )

    def sealed(self) -> Iterator[Trick]:
        """The newest checkpoint covers the last anchor of the journal."""
        kind = "sealed journal"
        pages = list(JournalPage.objects.values_list("number", flat=True))
        for number in pages:
            yield Trick(kind, "a page removed", gone(JournalPage, number=number))
        yield Trick(kind, "every page removed", gone(JournalPage))
        yield Trick(kind, "two pages exchanged", exchanged_all(JournalPage, ["sealed"], pages[0], pages[-1]))
        last = JournalPage.objects.get(number=pages[-1])
        yield Trick(kind, "a page repeated", copied(last, number=pages[-1] + 1))
        for name in ("set", "incidents"):
            yield Trick(kind, "a document removed", gone(SealedDocument, name=name))
        yield Trick(kind, "the position removed", gone(LogPosition))
        everything = ("sealed_documents", "journal_pages", "log_position")
        for tables in (everything, everything[:2], everything[:1], everything[1:2]):
            yield Trick(kind, "an old copy put back", partial(self.old.restore_tables, tables))
        yield Trick(
            kind, "everything removed", together(*map(gone, (JournalPage, SealedDocument, LogPosition)))
        )

    def old_size(self) -> int:
        return query(f"SELECT size FROM {self.old.name}_audit_tree")[0][0]  # noqa: S608 - a name of ours

    # --- with keys

    def forged(self) -> Iterator[Trick]:
        kind = "rewritten"
        for index in sorted(self.chance.sample(range(self.sizes[0], self.size), min(3, self.times))):
            yield Trick(
                kind,
                "an entry, with the keys of another log",
                lambda index=index: forging.rewrite_with_other_keys(index, actor_name="nobody"),
                0,  # where the first keys were published
                verifiers=(WITH_KEY, *EVERYWHERE),
                blind=(VERIFY,),
            )
        # Former keys are wiped: the operators have only the keys since the last rotation.
        rotated = AuditLog.objects.filter(action="audit.checkpoint_key.rotated").aggregate(last=Max("id"))[
            "last"
        ]
        after = self.places[rotated]
        for index in sorted(self.chance.sample(range(after + 1, self.sizes[-1]), min(3, self.times))):
            yield Trick(
                kind,
                "an entry, by the operators themselves",
                lambda index=index: forging.rewrite_with_our_keys(index, actor_name="nobody"),
                index,
                verifiers=EVERYWHERE,
                blind=(VERIFY, WITH_KEY),
            )

    # --- building blocks

    def some(self, model: type[Model]) -> list[Model]:
        rows = list(model._default_manager.order_by("pk"))
        return self.chance.sample(rows, min(self.times, len(rows)))

    def forget(self, log_id: int) -> None:
        entry = AuditLog.objects.get(id=log_id)
        AuditTrail.objects.filter(event_id=entry.event_id).delete()
        entry.delete()
        forging.rebuild([each for each in self.order if each != log_id])

    def exchange_leaves(self, first: int, second: int) -> None:
        """Exchange two hashes in the tiles."""
        for index, other in ((first, second), (second, first)):
            tile = AuditTile.objects.get(level=0, number=index // WIDTH)
            octets, begin = bytes(tile.hashes), index % WIDTH * HASH_SIZE
            leaf = leaf_hash(entry_bytes(AuditLog.objects.values(*ENTRY_FIELDS).get(id=self.order[other])))
            hashes = octets[:begin] + leaf + octets[begin + HASH_SIZE :]
            AuditTile.objects.filter(id=tile.id).update(hashes=hashes)

    def smuggle(self, model: int, *, at: int | None = None) -> None:
        """Insert a copy of an entry under a new writer. The attacker cannot compute its MAC."""
        entry = AuditLog.objects.get(id=self.order[model])
        entry.id, entry.event_id, entry.writer, entry.wseq = FAR, uuid.uuid4(), uuid.uuid4(), 1
        entry.actor_name, entry.meta = "smuggled", "{}"
        AuditLog.objects.bulk_create([entry])
        if at is not None:
            forging.rebuild([*self.order[:at], FAR, *self.order[at:]])

    def reorder(self, first: int, second: int) -> None:
        order = list(self.order)
        order[first], order[second] = order[second], order[first]
        forging.rebuild(order)


def gone(model: type[Model], **where: object) -> Callable[[], object]:
    def attack() -> None:
        deleted, _ = model._default_manager.filter(**where).delete()
        assert deleted

    return attack


def copied(row: Model, **columns: object) -> Callable[[], object]:
    """Insert the row again, with other columns, and with a new id if that is its primary key."""

    def attack() -> None:
        values = {each.attname: getattr(row, each.attname) for each in row._meta.concrete_fields} | columns
        if row._meta.pk.name == "id" and "id" not in columns:
            del values["id"]
        type(row)._default_manager.bulk_create([type(row)(**values)])

    return attack


def exchanged(model: type[Model], key: str, one: object, two: object) -> Callable[[], object]:
    """Exchange the keys of the two rows."""

    def attack() -> None:
        rows = model._default_manager
        for before, after in ((one, FAR), (two, one), (FAR, two)):
            assert rows.filter(**{key: before}).update(**{key: after}) == 1

    return attack


def exchanged_all(model: type[Model], names: list[str], one: object, two: object) -> Callable[[], object]:
    """Exchange the named columns of two rows."""

    def attack() -> None:
        rows = model._default_manager
        [first] = rows.filter(pk=one).values(*names)
        [second] = rows.filter(pk=two).values(*names)
        if "wseq" in names:
            rows.filter(pk=one).update(wseq=FAR)  # two rows of a writer never share a number
        rows.filter(pk=two).update(**first)
        rows.filter(pk=one).update(**second)

    return attack


def shifted(rows, column: str, by: int) -> None:
    """Shift the column in two steps, because no two rows may be equal in between."""
    moved = rows.model._default_manager.filter(pk__in=list(rows.values_list("pk", flat=True)))
    rows.update(**{column: F(column) + FAR})
    moved.filter(**{f"{column}__gte": FAR}).update(**{column: F(column) - FAR + by})


def together(*attacks: Callable[[], object]) -> Callable[[], object]:
    def attack() -> None:
        for each in attacks:
            each()

    return attack


def forget_head() -> None:
    (Path(settings.CC_HOME) / HEAD_FILE).unlink()
