"""The state: sums over all protected rows, which reveal an older row, a missing one, and one that was put back.

For each table, the sums have the number of its rows, and the sum modulo 2^256 of HMAC-SHA-256(key, table ‖ primary key ‖
contents) over them: an incremental multiset hash (MSet-Add-Hash of Clarke et al., ASIACRYPT 2003). Bundles carry the
changes of rows, so a step of the sequencer has a constant cost for each change.

The sums are sealed together with the size and the root of the tree. Older sums are those of an older tree, which
checkpoints and ``audit-head`` contradict. Unsealed ones would show the terms of single rows by their differences.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

import msgspec
from django.apps import apps

from audit.models import AuditTree
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.sequencing.state_heads import rows_with_heads
from kernel.crypto.errors import UnwrapFailed
from kernel.databases.changes import Change
from kernel.trust import system_keys
from kernel.trust.models import SystemKey
from kernel.trust.row_mac import MacProtectedRow, encode_fields

_SIZE: Final = 4096  # bytes of the sealed sums
_LABEL: Final = b"cc/state-sums/v1"
_MODULUS: Final = 2**256
_ACCEPTED: Final = "accepted"
_HEADS: Final = "state_heads"  # in place of a table, once there are heads


class Sum(NamedTuple):
    """Of the rows of one table, or the difference of two sums."""

    rows: int = 0
    total: int = 0

    def __add__(self, other: "Sum") -> "Sum":  # type: ignore[override]  # not the one of a tuple
        return Sum(self.rows + other.rows, (self.total + other.total) % _MODULUS)

    def __sub__(self, other: "Sum") -> "Sum":
        return Sum(self.rows - other.rows, (self.total - other.total) % _MODULUS)

    def acceptance(self, table: str) -> Change:
        """The change by which a person accepts this difference between the rows and the sums of a table."""
        return Change(table, "", _ACCEPTED, f"{self.rows} {self.total}")


class Sums:
    """The sum of each table, by its label."""

    def __init__(self, tables: Mapping[str, Sum]) -> None:
        self.tables = dict(tables)
        self._tag = system_keys.tag_maker(system_keys.STATE_MAC)

    def of(self, model: type[MacProtectedRow]) -> Sum:
        return self.tables.get(model.MAC_LABEL, Sum())

    def apply(self, changes: Iterable[Change]) -> None:
        for table, difference in self._differences(changes):
            self.tables[table] = self.tables.get(table, Sum()) + difference

    def revert(self, changes: Iterable[Change]) -> None:
        """The inverse of ``apply``."""
        for table, difference in self._differences(changes):
            self.tables[table] = self.tables.get(table, Sum()) - difference

    def begin_heads(self) -> None:
        self.tables.setdefault(_HEADS, Sum())

    @property
    def has_heads(self) -> bool:
        """Whether all rows got their heads. Only this seal says so: the heads themselves can be removed."""
        return _HEADS in self.tables

    def add_rows(self, model: type[MacProtectedRow]) -> list[str]:
        """Add the stored rows of a table. Returns the primary keys of those whose head is another. Raises django.db.Error."""
        differing: list[str] = []
        self.apply(_additions(model, differing))
        return differing

    def seal(self, size: int, root: bytes) -> bytes:
        """The sums for the tree with this size and root."""
        document = msgspec.json.encode(
            {table: (each.rows, f"{each.total:x}") for table, each in self.tables.items()}
        )
        return system_keys.seal(document, size=_SIZE, aad=_binding(size, root))

    @classmethod
    def unseal(cls, sealed: bytes, size: int, root: bytes) -> Self:
        """Inverse of ``seal``. Raises UnwrapFailed if they were sealed for another tree."""
        document = system_keys.unseal(sealed, aad=_binding(size, root))
        stored = msgspec.json.decode(document, type=dict[str, tuple[int, str]])
        return cls({table: Sum(rows, int(total, 16)) for table, (rows, total) in stored.items()})

    def _differences(self, changes: Iterable[Change]) -> Iterator[tuple[str, Sum]]:
        for change in changes:
            if not change.key and change.before == _ACCEPTED:  # a row has a key
                rows, total = map(int, change.after.split())
                yield change.table, Sum(rows, total)
            else:
                yield change.table, self._term(change, change.after) - self._term(change, change.before)

    def _term(self, change: Change, contents: str) -> Sum:
        if not contents:
            return Sum()
        return Sum(1, int.from_bytes(self._tag(encode_fields((change.table, change.key, contents)))))


@dataclass(frozen=True, slots=True)
class State:
    """The sums of a tree. Without ``sums``, there are none, or others than those of the tree (``is_altered``)."""

    sums: Sums | None = None
    is_altered: bool = False

    @classmethod
    def of(cls, tree: AuditTree) -> Self:
        if tree.sums is None:
            return cls()
        stored: Any = tree.sums
        try:
            return cls(Sums.unseal(bytes(memoryview(stored)), tree.size, bytes(tree.root)))
        # SQLite also takes a text for the sums or the size, and keys of the installation can be altered.
        except (UnwrapFailed, TypeError, AttributeError, OverflowError, SystemKey.DoesNotExist):
            return cls(is_altered=True)

    def after(self, changes: Iterable[Change], size: int, root: bytes) -> dict[str, object]:
        """The columns of the tree, which has grown to this size. Sums that are not those of the tree stay as they are."""
        if self.sums is None:
            return {}
        self.sums.apply(changes)
        return {"sums": self.sums.seal(size, root)}

    @property
    def alarms(self) -> list[Alarm]:
        return [UNKNOWN] if self.is_altered else []


UNKNOWN: Final = Alarm(
    kind=AlarmKind.STATE_UNKNOWN,
    expected="the sums of all protected rows, sealed for this tree",
    found="other sums, or none",
)


def protected_models() -> list[type[MacProtectedRow]]:
    """The tables of the state, in a fixed order."""
    return [model for model in apps.get_models() if issubclass(model, MacProtectedRow) and model.STATE]


def _additions(model: type[MacProtectedRow], differing: list[str]) -> Iterator[Change]:
    for row in rows_with_heads(model):
        if not row.is_current:
            differing.append(row.key)
        yield Change(model.MAC_LABEL, row.key, "", row.contents)


def _binding(size: int, root: bytes) -> bytes:
    return _LABEL + size.to_bytes(8) + root
