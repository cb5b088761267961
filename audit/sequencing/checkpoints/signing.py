"""Sign the head of the tree, after checking it against earlier checkpoints and the head remembered on this host."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Max
from django.db.models.functions import TruncHour

from audit import actions
from audit.errors import CheckpointRefused, OlderDatabase
from audit.models import AuditCheckpoint, AuditLog, AuditReceipt, AuditTree
from audit.sequencing.checkpoints.links import Link, hour_of, thinned_before
from audit.sequencing.checkpoints.signing_keys import active_signers, origin, trusted_keys
from audit.sequencing.head import Head, read_head, require_not_older, write_head
from audit.sequencing.leadership import leading
from audit.sequencing.tree import database_reader, latest_checkpoint, read_tile, read_tree
from audit.tlog import merkle
from audit.tlog.checkpoint import Checkpoint, CheckpointInvalid, VerifierKey, open_note, sign_note
from audit.tlog.merkle import HASH_SIZE, Frontier, HashReader, complete_root
from audit.tlog.tiles import WIDTH, tile_path
from kernel.clock import database_now
from kernel.trust.row_mac import IntegrityFailed


def sign_checkpoint(*, waits: bool = False) -> AuditCheckpoint | None:
    """Sign the head of the tree if it has grown, and remember it on this host.

    Returns None if it has not grown, or if another process leads, unless this one ``waits``. Raises CheckpointRefused
    (its cause is OlderDatabase, IntegrityFailed or a ValueError), the errors of the keys, OSError, and django.db.Error.
    """
    if not _differs(read_tree(), latest_checkpoint()):
        return None
    with leading(waits=waits) as leads:
        tree, newest = read_tree(), latest_checkpoint()
        if not leads or not _differs(tree, newest):
            return None
        try:
            _require_consistent(tree, newest)
        except (ValueError, IntegrityFailed, OlderDatabase) as error:
            raise CheckpointRefused from error
        checkpoint = _sign(tree, newest)
    # Never before the commit: a head that the database does not have would refuse the next start.
    write_head(Head(tree.size, bytes(tree.root)))
    return checkpoint


def _differs(tree: AuditTree, newest: AuditCheckpoint | None) -> bool:
    return tree.size != (newest.size if newest else 0)


def _sign(tree: AuditTree, newest: AuditCheckpoint | None) -> AuditCheckpoint:
    # Whole seconds, because ML-DSA-44 signs those. So the time in the row can be verified.
    now = database_now().replace(microsecond=0)
    head = Checkpoint(origin(), tree.size, bytes(tree.root))
    signers = active_signers()
    note = sign_note(head, signers, int(now.timestamp()))
    link = _link(tree.size, newest, now, [key for key, _ in signers])
    return AuditCheckpoint.objects.create(  # noqa: CC3 - checkpoints are signed notes
        size=tree.size,
        note=note,
        signed_at=now,
        previous=link.previous,
        kept=link.kept,
        link_mac=link.mac(),
    )


def _link(size: int, newest: AuditCheckpoint | None, now: datetime, keys: Sequence[VerifierKey]) -> Link:
    """The link to the newest checkpoint, and to the newest one that is never thinned out."""
    if newest is None:
        return Link(size, 0, 0)
    is_last_of_hour = hour_of(newest.signed_at) != hour_of(now)
    if is_last_of_hour or newest.kept is None or not _is_signed_by(newest, keys):
        return Link(size, newest.size, newest.size)
    return Link(size, newest.size, newest.kept)


def _is_signed_by(checkpoint: AuditCheckpoint, keys: Sequence[VerifierKey]) -> bool:
    try:
        open_note(checkpoint.note, keys)
    except CheckpointInvalid:
        return False
    return True


def _require_consistent(tree: AuditTree, newest: AuditCheckpoint | None) -> None:
    """Check that the tree matches its edge and tiles, and begins with the signed and the remembered tree.

    Raises ValueError, IntegrityFailed and OlderDatabase.
    """
    read = database_reader()
    root = bytes(tree.root)
    edge_root = Frontier.decode(tree.size, bytes(tree.edge)).root()
    if edge_root != root:  # sequencing stops in this state, so both roots stay the same
        raise ValueError(f"the root {root.hex()} is not that of the edge, {edge_root.hex()}")
    if merkle.root(tree.size, read) != root:
        raise ValueError("the root is not that of the tiles")
    if newest is not None:
        _require_begins_with(newest, tree.size, root, read)
    head = read_head()
    if head is not None:
        require_not_older(head, tree.size, read)
    _require_tiles(newest.size if newest else 0, tree.size)


def _require_begins_with(newest: AuditCheckpoint, size: int, root: bytes, read: HashReader) -> None:
    signed = open_note(newest.note, trusted_keys())
    if (signed.origin, signed.size) != (origin(), newest.size):
        raise ValueError("the newest checkpoint is another log's, or another size's")
    has_link = (newest.previous, newest.kept, newest.link_mac) != (None, None, None)
    if has_link and not Link(newest.size, newest.previous, newest.kept).holds(newest.link_mac):
        raise ValueError("the link of the newest checkpoint was altered")
    proof = merkle.consistency_proof(signed.size, size, read)
    merkle.verify_consistency(signed.size, signed.root, size, root, proof)


def _require_tiles(first: int, size: int) -> None:
    """Check that the full tiles of leaves from ``first`` on match the tiles above them, which the root covers."""
    for number in range(first // WIDTH, size // WIDTH):
        above = read_tile(1, number // WIDTH)[number % WIDTH * HASH_SIZE :][:HASH_SIZE]
        leaves = read_tile(0, number)
        hashes = [leaves[at : at + HASH_SIZE] for at in range(0, len(leaves), HASH_SIZE)]
        if len(hashes) != WIDTH or complete_root(hashes) != above:
            raise ValueError(f"the leaves of {tile_path(0, number)} are not those of the tree")


def _last_of_keys() -> list[int]:
    """The sizes of the last checkpoints before the keys were exchanged."""
    rotated = AuditLog.objects.filter(action=actions.CHECKPOINT_KEY_ROTATED).values_list(  # noqa: CC2 - the ids of rotations of checkpoint keys
        "timestamp", flat=True
    )
    before = [
        AuditCheckpoint.objects.filter(signed_at__lte=timestamp).order_by("-size").first()
        for timestamp in rotated
    ]
    return [checkpoint.size for checkpoint in before if checkpoint]


def thin_out_checkpoints() -> int:
    """Delete checkpoints older than a day, except some. Returns the number of deleted ones.

    These remain: the last of each hour, those that an anchor has stored, those that a link names as ``kept``, and the
    last of each pair of keys, which leads a verifier from pinned keys to the next pair. A later checkpoint covers all
    that a deleted one covered. If any other checkpoint is missing, the links of the remaining ones reveal it.
    """
    old = AuditCheckpoint.objects.filter(signed_at__lt=thinned_before(database_now()))
    last_of_hour = (
        old.order_by()
        .annotate(hour=TruncHour("signed_at"))
        .values("hour")
        .annotate(last=Max("size"))
        .values("last")
    )
    anchored = AuditReceipt.objects.values("size")
    named = AuditCheckpoint.objects.filter(kept__isnull=False).order_by().values("kept").distinct()
    # Read the sizes first, because on SQLite a DELETE blocks all other writers.
    gone = old.exclude(size__in=last_of_hour).exclude(size__in=anchored).exclude(size__in=_last_of_keys())
    gone = gone.exclude(size__in=named)
    sizes = list(gone.values_list("size", flat=True))
    for begin in range(0, len(sizes), 1000):
        AuditCheckpoint.objects.filter(size__in=sizes[begin : begin + 1000]).delete()  # noqa: CC3 - deletes old checkpoints
    return len(sizes)
