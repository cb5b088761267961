"""Proofs of the log: the place of an entry in it, its signed head, and that it has only grown.

Not imported by ``audit.services``, because this module needs the checkpoint keys, and they are recorded with it.

Inclusion proofs and checkpoints are verified before they are returned. A client with an invalid one could not
distinguish an altered database from a bug of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from audit.errors import NotSequenced
from audit.log.entries import ENTRY_FIELDS, entry_bytes, values_of
from audit.models import READ_PERMISSION, AuditCheckpoint, AuditLog, AuditReceipt, Reader
from audit.sequencing.checkpoints.signing_keys import trusted_keys
from audit.sequencing.checkpoints.witnesses import ANCHOR
from audit.sequencing.eras import Eras
from audit.sequencing.lag import Lag, read_lag
from audit.sequencing.tree import ALTERED, database_reader, latest_checkpoint, read_tree
from audit.services.verifications import Verifications, read_verifications
from audit.services.witnessed import cosigned_note, count_cosignatures, lines_of, read_witnessed
from audit.tlog import merkle
from audit.tlog.checkpoint import Checkpoint, VerifierKey, open_note
from audit.tlog.proof import format_proof
from kernel import installation
from kernel.crypto.encoding import encode_base64
from kernel.errors import Invalid, NotFound
from kernel.trust.row_mac import IntegrityFailed

_ENTRY_ALTERED = (
    "The entry or the audit log tree was changed outside the application, so there is no proof. "
    f"Run {installation.MANAGE} verify_audit_log, and find out who changed the database."
)


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Proof that an entry is the leaf ``index`` of a signed tree of ``size``. ``entry`` is its exact bytes, as UTF-8
    text.

    ``text`` is a C2SP tlog-proof, with the checkpoint and, as its extra data, those bytes. A verifier with a pinned key
    needs nothing else.
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
class _SignedHead:
    """A verified checkpoint, its row, the anchors' receipts for it, and the lag of the sequencer.

    ``note`` has the cosignatures of witnesses. ``witnessed_size`` is that of the newest witnessed checkpoint.
    ``verifications`` are only for readers of the whole log.
    """

    checkpoint: Checkpoint
    row: AuditCheckpoint
    note: str
    witnessed_size: int | None
    receipts: tuple[AuditReceipt, ...]
    lag: Lag
    verifications: Verifications | None


@dataclass(frozen=True, slots=True)
class ListedCheckpoint:
    """``root`` is in base64, and "" if a signature or the size is wrong. ``note`` has the cosignatures of witnesses.

    ``anchors`` have stored the checkpoint, and ``cosigned`` of our witnesses have cosigned it.
    """

    row: AuditCheckpoint
    root: str
    note: str
    anchors: Sequence[str]
    cosigned: int


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """Proof that the tree of ``second`` entries begins with the tree of ``first`` (RFC 9162 section 2.1.4)."""

    first: int
    second: int
    hashes: tuple[bytes, ...]


def leaf_index(entry: AuditLog) -> int | None:
    """The entry's place in the tree, None while it has none."""
    return Eras.read().index_of(entry.pk)


def prove_entry(entry: AuditLog) -> InclusionProof:
    """Prove an entry that ``showing.show_entry`` returned, with the newest witnessed checkpoint that covers it, or the newest.

    Raises NotSequenced, and IntegrityFailed if no valid proof exists.
    """
    index, row = leaf_index(entry), latest_checkpoint()
    if index is None or row is None or index >= row.size:
        raise NotSequenced
    witnessed = read_witnessed(row)
    if witnessed and witnessed.checkpoint and index < witnessed.checkpoint.size:
        row = witnessed.checkpoint
    note = cosigned_note(row) if witnessed else row.note
    head = opened(row)
    try:
        octets = entry_bytes(values_of(entry, ENTRY_FIELDS))
        leaf = merkle.leaf_hash(octets)
        hashes = merkle.inclusion_proof(index, head.size, database_reader())
        merkle.verify_inclusion(leaf, index, head.size, hashes, head.root)
    except (TypeError, ValueError):
        raise IntegrityFailed(_ENTRY_ALTERED) from None
    text = format_proof(index, hashes, note, extra=octets)
    return InclusionProof(entry.pk, index, head.size, leaf, octets.decode(), text)


def find_checkpoint(*, reader: Reader, size: int | None = None) -> _SignedHead:
    """The newest checkpoint, or that of ``size``.

    Raises Denied, NotSequenced before the first one, NotFound, and IntegrityFailed if its signatures are invalid.
    """
    sees_whole = reader.scope(READ_PERMISSION) == "all"
    row = latest_checkpoint() if size is None else AuditCheckpoint.objects.filter(size=size).first()
    if row is None:
        raise NotSequenced if size is None else NotFound
    receipts = tuple(AuditReceipt.objects.filter(size=row.size).order_by("anchor"))
    witnessed = read_witnessed(row)
    size_of_witnessed = witnessed.checkpoint.size if witnessed and witnessed.checkpoint else None
    note = row.note + lines_of(receipts).get(row.size, "")
    verifications = read_verifications() if sees_whole else None
    return _SignedHead(opened(row), row, note, size_of_witnessed, receipts, read_lag(), verifications)


def find_checkpoints(*, reader: Reader) -> QuerySet[AuditCheckpoint]:
    """The checkpoints, newest first. Show them with ``with_signatures``. Raises Denied."""
    reader.scope(READ_PERMISSION)
    return AuditCheckpoint.objects.order_by("-size")


def with_signatures(
    rows: Sequence[AuditCheckpoint], trusted: Sequence[VerifierKey]
) -> list[ListedCheckpoint]:
    """The rows, verified with these keys, and their receipts, with one query."""
    receipts: dict[int, list[AuditReceipt]] = {row.size: [] for row in rows}
    for receipt in AuditReceipt.objects.filter(size__in=receipts).order_by("anchor"):
        receipts[receipt.size].append(receipt)
    return [_listed(row, trusted, receipts[row.size]) for row in rows]


def _listed(
    row: AuditCheckpoint, trusted: Sequence[VerifierKey], receipts: Sequence[AuditReceipt]
) -> ListedCheckpoint:
    try:
        root = encode_base64(_open(row, trusted).root)
    except IntegrityFailed:
        root = ""
    note = row.note + lines_of(receipts).get(row.size, "")
    anchors = [each.anchor for each in receipts if each.is_authentic and not each.anchor.startswith(ANCHOR)]
    return ListedCheckpoint(row, root, note, anchors, count_cosignatures(row, receipts))


def prove_consistency(*, reader: Reader, first: int, second: int | None = None) -> ConsistencyProof:
    """Prove consistency between any two sizes of the tree. ``second`` defaults to that of the newest checkpoint.

    Raises Denied, NotSequenced, Invalid (of ``from`` or ``to``), and IntegrityFailed if the tree is damaged.
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
    """The checkpoint keys as C2SP vkeys: retired, active and next, oldest first. Raises IntegrityFailed."""
    return [key.vkey for key in trusted_keys()]


def _newest_size() -> int:
    newest = latest_checkpoint()
    if newest is None:
        raise NotSequenced
    return newest.size


def opened(row: AuditCheckpoint) -> Checkpoint:
    """The checkpoint of the row, verified. Raises IntegrityFailed if its signatures or its size are wrong."""
    return _open(row, trusted_keys())


def _open(row: AuditCheckpoint, trusted: Sequence[VerifierKey]) -> Checkpoint:
    try:
        checkpoint = open_note(row.note, trusted)
    except ValueError:
        raise IntegrityFailed(ALTERED) from None
    if checkpoint.size != row.size:
        raise IntegrityFailed(ALTERED)
    return checkpoint
