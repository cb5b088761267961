"""What the log shows of itself: an entry's place in it, its signed head, that it has only grown.

It is no part of ``audit.services`` itself, which the keys of checkpoints are recorded with.

An inclusion proof and a checkpoint are verified before they are handed out: who is given one that does not hold has
no way to tell an altered database from a fault of his own.
"""

from dataclasses import dataclass

from audit import merkle
from audit.checkpoint import Checkpoint, open_note
from audit.entries import ENTRY_FIELDS, entry_bytes, values_of
from audit.errors import NotSequenced
from audit.lag import Lag, read_lag
from audit.models import READ_PERMISSION, AuditCheckpoint, AuditLeaf, AuditLog, AuditReceipt, Reader
from audit.proof import format_proof
from audit.sequencing.checkpoint_keys import trusted_keys
from audit.tree import ALTERED, database_reader, latest_checkpoint, read_tree
from ciphercanary.errors import Invalid, NotFound
from ciphercanary.row_mac import IntegrityFailed

ENTRY_ALTERED = (
    "The entry or the audit log tree was changed outside the application, so there is no proof. "
    "Run bin/manage verify_audit_log, and find out who changed the database."
)


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That the leaf ``index`` of a signed tree of ``size`` is the entry, whose exact bytes are the UTF-8 of ``entry``.

    ``text`` is a C2SP tlog-proof, which holds the checkpoint and, as its extra data, those bytes: with a pinned key
    it is all a verifier needs.
    """

    log_id: int
    index: int
    size: int
    leaf_hash: bytes
    entry: str
    text: str

    @property
    def file_name(self) -> str:
        return f"{self.log_id}.tlog-proof"


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A checkpoint, opened; its row, the anchors' receipts for it, and what is not even sequenced yet."""

    checkpoint: Checkpoint
    row: AuditCheckpoint
    receipts: tuple[AuditReceipt, ...]
    lag: Lag


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """That the tree of ``second`` entries begins with that of ``first`` (RFC 9162 section 2.1.4)."""

    first: int
    second: int
    hashes: tuple[bytes, ...]


def leaf_index(entry: AuditLog) -> int | None:
    """The entry's place in the tree; None as long as it has none."""
    return AuditLeaf.objects.filter(log_id=entry.pk).values_list("idx", flat=True).first()


def prove_entry(entry: AuditLog) -> InclusionProof:
    """By the newest checkpoint, of an entry that ``showing.show_entry`` returned.

    Raises NotSequenced, and IntegrityFailed where there is no proof that holds.
    """
    index, newest = leaf_index(entry), latest_checkpoint()
    if index is None or newest is None or index >= newest.size:
        raise NotSequenced
    head = opened(newest)
    try:
        octets = entry_bytes(values_of(entry, ENTRY_FIELDS))
        leaf = merkle.leaf_hash(octets)
        hashes = merkle.inclusion_proof(index, head.size, database_reader())
        merkle.verify_inclusion(leaf, index, head.size, hashes, head.root)
    except (TypeError, ValueError):
        raise IntegrityFailed(ENTRY_ALTERED) from None
    text = format_proof(index, hashes, newest.note, extra=octets)
    return InclusionProof(entry.pk, index, head.size, leaf, octets.decode(), text)


def find_checkpoint(*, reader: Reader, size: int | None = None) -> SignedHead:
    """The newest checkpoint, or that of ``size``.

    Raises Denied, NotSequenced before the first one, NotFound, and IntegrityFailed where its signatures do not hold.
    """
    reader.scope(READ_PERMISSION)
    row = latest_checkpoint() if size is None else AuditCheckpoint.objects.filter(size=size).first()
    if row is None:
        raise NotSequenced if size is None else NotFound
    receipts = AuditReceipt.objects.filter(size=row.size).order_by("anchor")
    return SignedHead(opened(row), row, tuple(receipts), read_lag())


def prove_consistency(*, reader: Reader, first: int, second: int | None = None) -> ConsistencyProof:
    """Between any two sizes the tree has had; ``second`` is that of the newest checkpoint where it is not given.

    Raises Denied, NotSequenced, Invalid (of ``from`` or ``to``), and IntegrityFailed where the tree is damaged.
    """
    reader.scope(READ_PERMISSION)
    second = _newest_size() if second is None else second
    size = read_tree().size
    for name, asked in (("to", second), ("from", first)):
        if asked > size:
            raise Invalid.of_field(name, f"The tree has {size} entries.")
    if first > second:
        raise Invalid.of_field("from", f"The size must be at most {second}.")
    try:
        hashes = merkle.consistency_proof(first, second, database_reader())
    except ValueError:
        raise IntegrityFailed(ALTERED) from None
    return ConsistencyProof(first, second, tuple(hashes))


def list_vkeys() -> list[str]:
    """The keys of checkpoints as C2SP vkeys: retired, active and next, oldest first. Raises IntegrityFailed."""
    return [key.vkey for key in trusted_keys()]


def _newest_size() -> int:
    newest = latest_checkpoint()
    if newest is None:
        raise NotSequenced
    return newest.size


def opened(row: AuditCheckpoint) -> Checkpoint:
    """The checkpoint that was signed there. Raises IntegrityFailed where its signatures do not hold."""
    try:
        checkpoint = open_note(row.note, trusted_keys())
    except ValueError:
        raise IntegrityFailed(ALTERED) from None
    if checkpoint.size != row.size:
        raise IntegrityFailed(ALTERED)
    return checkpoint
