"""Append leaves, tiles and the head of the tree, with the fastest method of each database."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from django.db import connection
from django.db.models import Q

from audit.models import AuditTile, AuditTree
from audit.sequencing.tree import ALTERED, read_tree
from audit.tlog import tiles
from audit.tlog.merkle import Frontier
from kernel.trust.row_mac import IntegrityFailed

_COPY = "COPY audit_leaves (idx, log_id, leaf_hash) FROM STDIN"
_INSERT = "INSERT INTO audit_leaves (idx, log_id, leaf_hash) VALUES (%s, %s, %s)"


def append(log_ids: Sequence[int], leaves: Sequence[bytes]) -> None:
    """Append the leaf hashes of these entries to the tree, inside the caller's transaction.

    Raises IntegrityFailed if the stored parts of the tree do not match, and django.db.Error.
    """
    if not leaves:
        return
    tree = read_tree()
    try:
        frontier = Frontier.decode(tree.size, bytes(tree.edge))
        changed = tiles.append(tree.size, _edge_tiles(tree.size), leaves)
    except ValueError as error:
        raise IntegrityFailed(ALTERED) from error
    if frontier.root() != bytes(tree.root):
        raise IntegrityFailed(ALTERED)
    _insert_leaves(tree.size, log_ids, leaves)
    _save_tiles(changed)
    _advance(tree.size, frontier.extended(leaves))


def _edge_tiles(size: int) -> dict[tuple[int, int], bytes]:
    positions = tiles.edge_tiles(size)
    if not positions:
        return {}
    any_of_them = reduce(or_, (Q(level=level, number=number) for level, number in positions))
    rows = AuditTile.objects.filter(any_of_them).values_list("level", "number", "hashes")
    return {(level, number): bytes(hashes) for level, number, hashes in rows}


def _insert_leaves(size: int, log_ids: Sequence[int], leaves: Sequence[bytes]) -> None:
    rows = list(zip(range(size, size + len(leaves)), log_ids, leaves, strict=True))
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            cursor.executemany(_INSERT, rows)
            return
        # The copy is psycopg's own method: convert its errors to Django's.
        with connection.wrap_database_errors, cursor.copy(_COPY) as copy:
            copy.write("".join([f"{idx}\t{log_id}\t\\\\x{leaf.hex()}\n" for idx, log_id, leaf in rows]))


def _save_tiles(changed: dict[tuple[int, int], bytes]) -> None:
    AuditTile.objects.bulk_create(
        [AuditTile(level=level, number=number, hashes=hashes) for (level, number), hashes in changed.items()],
        update_conflicts=True,
        unique_fields=["level", "number"],
        update_fields=["hashes"],
    )


def _advance(size: int, frontier: Frontier) -> None:
    """Compare and set: if two processes ever lead at once, one of them fails here."""
    advanced = AuditTree.objects.filter(id=1, size=size).update(
        size=frontier.size, edge=frontier.encode(), root=frontier.root()
    )
    if not advanced:
        raise IntegrityFailed(ALTERED)
