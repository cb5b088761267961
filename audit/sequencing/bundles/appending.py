"""Append leaves to the tiles, and advance the head of the tree."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Self

from django.db.models import Q

from audit.models import AuditTile, AuditTree
from audit.sequencing.eras import Eras
from audit.sequencing.state import State
from audit.sequencing.tree import ALTERED, read_tree
from audit.tlog import tiles
from audit.tlog.merkle import Frontier
from kernel.databases.changes import Change
from kernel.trust.row_mac import IntegrityFailed


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of the tree, from which it grows."""

    eras: Eras
    tiles: dict[tuple[int, int], bytes]
    state: State

    @classmethod
    def read(cls) -> Self:
        """Raises IntegrityFailed if the stored parts of the tree do not match, and django.db.Error."""
        tree = read_tree()
        try:
            frontier = Frontier.decode(tree.size, bytes(tree.edge))
        except ValueError as error:
            raise IntegrityFailed(ALTERED) from error
        if frontier.root() != bytes(tree.root):
            raise IntegrityFailed(ALTERED)
        return cls(Eras.of(tree), _edge_tiles(tree.size), State.of(tree))

    def append(self, leaves: Sequence[bytes], changes: Iterable[Change]) -> None:
        """Append leaf hashes, and apply the changes of rows to the state, inside the caller's transaction.

        Raises IntegrityFailed and django.db.Error.
        """
        try:
            changed = tiles.append(self.eras.size, self.tiles, leaves)
            frontier = tiles.frontier_of(self.eras.size + len(leaves), self.tiles | changed)
        except ValueError as error:
            raise IntegrityFailed(ALTERED) from error
        _save_tiles(changed)
        _advance(self.eras.size, frontier, self.state.after(changes, frontier.size, frontier.root()))


def _edge_tiles(size: int) -> dict[tuple[int, int], bytes]:
    positions = tiles.edge_tiles(size)
    if not positions:
        return {}
    any_of_them = reduce(or_, (Q(level=level, number=number) for level, number in positions))
    rows = AuditTile.objects.filter(any_of_them).values_list("level", "number", "hashes")
    return {(level, number): bytes(hashes) for level, number, hashes in rows}


def _save_tiles(changed: dict[tuple[int, int], bytes]) -> None:
    AuditTile.objects.bulk_create(  # noqa: CC3 - tiles are compared with signed checkpoints
        [AuditTile(level=level, number=number, hashes=hashes) for (level, number), hashes in changed.items()],
        update_conflicts=True,
        unique_fields=["level", "number"],
        update_fields=["hashes"],
    )


def _advance(size: int, frontier: Frontier, state: Mapping[str, object]) -> None:
    """Compare and set: if two processes ever lead at once, one of them fails here."""
    advanced = AuditTree.objects.filter(id=1, size=size).update(  # noqa: CC3 - the tree is compared with signed checkpoints
        size=frontier.size, edge=frontier.encode(), root=frontier.root(), **state
    )
    if not advanced:
        raise IntegrityFailed(ALTERED)
