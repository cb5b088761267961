"""The stored tree: its current head, the newest signed one, and its hashes from tiles."""

from functools import cache

from audit.archive.reading import archived_tile
from audit.models import AuditCheckpoint, AuditTile, AuditTree
from audit.tlog import tiles
from audit.tlog.merkle import HashReader
from kernel.trust.row_mac import IntegrityFailed

ALTERED = (
    "The audit log tree was changed outside the application. "
    "Restore the database from a backup and find out who changed it."
)


def read_tree() -> AuditTree:
    """Size, root and right edge, not verified. Raises IntegrityFailed if the row is missing or holds other types."""
    tree = AuditTree.objects.filter(id=1).first()
    if tree is None or not all(isinstance(value, bytes | memoryview) for value in (tree.root, tree.edge)):
        raise IntegrityFailed(ALTERED)
    return tree


def latest_checkpoint() -> AuditCheckpoint | None:
    """The largest checkpoint, None before the first. Its note is not verified: use ``open_note``."""
    return AuditCheckpoint.objects.order_by("-size").first()


def database_reader() -> HashReader:
    """A reader for the hash of any complete subtree, of the current tree and all former ones.

    It queries each tile once, and raises ValueError if one is missing or too short. Create one for each task, because
    it caches what it has read.
    """
    return tiles.reader(cache(read_tile))


def read_tile(level: int, number: int) -> bytes:
    """The concatenated hashes of a tile, which may be in the archive; ``b""`` if there is none."""
    hashes = AuditTile.objects.filter(level=level, number=number).values_list("hashes", flat=True).first()
    return archived_tile(number) if hashes is None and level == 0 else bytes(hashes or b"")
