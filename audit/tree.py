"""The tree as it is stored: its present head, the newest signed one, and its hashes from tiles."""

from functools import cache

from audit import tiles
from audit.merkle import HashReader
from audit.models import AuditCheckpoint, AuditTile, AuditTree
from ciphercanary.row_mac import IntegrityFailed

ALTERED = (
    "The audit log tree was changed outside the application. "
    "Restore the database from a backup and find out who changed it."
)


def read_tree() -> AuditTree:
    """Size, root and right edge, as they stand. Raises IntegrityFailed where somebody removed the row."""
    try:
        return AuditTree.objects.get(id=1)
    except AuditTree.DoesNotExist:
        raise IntegrityFailed(ALTERED) from None


def latest_checkpoint() -> AuditCheckpoint | None:
    """The one that covers most; None before the first. Its note is as it is stored: ``open_note`` verifies it."""
    return AuditCheckpoint.objects.order_by("-size").first()


def database_reader() -> HashReader:
    """The hash of any complete subtree, of the present tree and so of every former one.

    It asks the database once for each tile, and raises ValueError where one is missing or too short. Made for one
    task: what it has read, it remembers.
    """
    return tiles.reader(cache(read_tile))


def read_tile(level: int, number: int) -> bytes:
    """The concatenated hashes of a tile, as many as there are; ``b""`` where there is none."""
    hashes = AuditTile.objects.filter(level=level, number=number).values_list("hashes", flat=True).first()
    return bytes(hashes or b"")
