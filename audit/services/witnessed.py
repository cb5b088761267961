"""Which checkpoints our witnesses have cosigned. Their cosignatures are receipts, and are verified again here.

A checkpoint is witnessed if ``CC_WITNESS_QUORUM`` of the witnesses in ``CC_WITNESSES`` cosigned exactly this checkpoint, so
that an auditor can verify it with this one note. All earlier entries are then witnessed, too.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Count, QuerySet

from audit.models import AuditCheckpoint, AuditReceipt
from audit.sequencing.checkpoints.witnesses import ANCHOR, configured_witnesses, quorum
from audit.tlog.checkpoint import CheckpointInvalid, VerifierKey
from audit.tlog.cosignature import Cosignature, find_cosignatures
from kernel.clock import process_now
from kernel.databases.rows import AnyOf

_LATE: Final = timedelta(minutes=15)
_MOST_TRIED: Final = 10  # checkpoints: an attacker can insert receipts, which do not count


@dataclass(frozen=True, slots=True)
class Witnessed:
    """The newest witnessed checkpoint, None if there is none: ``count`` witnesses cosigned it, and it was witnessed ``at``.

    ``is_late``: newer checkpoints wait for too long.
    """

    total: int
    quorum: int
    is_late: bool
    checkpoint: AuditCheckpoint | None = None
    count: int = 0
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WitnessState:
    """A witness with the size of the newest checkpoint for which it has a receipt, and when it cosigned this checkpoint.

    ``size`` is None without a receipt, and ``at`` is None if the cosignature is invalid.
    """

    url: str
    key: VerifierKey
    size: int | None = None
    at: datetime | None = None


def list_witnesses() -> list[WitnessState]:
    """The witnesses of ``CC_WITNESSES``, with two queries."""
    witnesses = configured_witnesses()
    if not witnesses:
        return []
    receipts = [AuditReceipt.objects.filter(anchor=each.anchor).order_by("-size")[:1] for each in witnesses]
    newest = {receipt.anchor: receipt for receipt in AuditReceipt.objects.filter(id__in=AnyOf(receipts))}
    rows = AuditCheckpoint.objects.in_bulk({receipt.size for receipt in newest.values()})
    states = []
    for witness in witnesses:
        receipt = newest.get(witness.anchor)
        row = rows.get(receipt.size) if receipt else None
        note = row.note + lines_of([receipt]).get(row.size, "") if receipt and row else ""
        at = [datetime.fromtimestamp(each.timestamp, UTC) for each in _cosignatures_in(note, [witness.key])]
        states.append(
            WitnessState(witness.url, witness.key, receipt.size if receipt else None, next(iter(at), None))
        )
    return states


def count_cosignatures(row: AuditCheckpoint, receipts: Iterable[AuditReceipt]) -> int:
    """How many of our witnesses cosigned the checkpoint, by these receipts."""
    witnesses = [witness.key for witness in configured_witnesses()]
    return len(_cosignatures_in(row.note + lines_of(receipts).get(row.size, ""), witnesses))


def read_witnessed(newest: AuditCheckpoint | None) -> Witnessed | None:
    """The state of the witnesses; None without any. ``newest`` is the newest checkpoint."""
    witnesses = [witness.key for witness in configured_witnesses()]
    if not witnesses:
        return None
    needed = quorum()
    sizes = _candidates(needed)
    lines = cosignature_lines(sizes)
    for row in AuditCheckpoint.objects.filter(size__in=sizes):  # the largest first
        found = _cosignatures_in(row.note + lines.get(row.size, ""), witnesses)
        if len(found) >= needed:
            timestamp = sorted(each.timestamp for each in found)[needed - 1]
            at = datetime.fromtimestamp(timestamp, UTC)
            is_late = newest is not None and newest.size > row.size and _is_late(at)
            return Witnessed(len(witnesses), needed, is_late, row, len(found), at)
    oldest = AuditCheckpoint.objects.order_by("size").first()
    return Witnessed(len(witnesses), needed, oldest is not None and _is_late(oldest.signed_at))


def cosignature_lines(sizes: Collection[int] | QuerySet[Any]) -> dict[int, str]:
    """The signature lines of all witnesses, former ones included, for the checkpoints of these sizes."""
    return lines_of(AuditReceipt.objects.filter(size__in=sizes, anchor__startswith=ANCHOR).order_by("anchor"))


def lines_of(receipts: Iterable[AuditReceipt]) -> dict[int, str]:
    """The signature lines in these receipts, by the size of their checkpoint."""
    lines: dict[int, str] = {}
    for receipt in receipts:
        if receipt.anchor.startswith(ANCHOR) and receipt.is_authentic:
            lines[receipt.size] = f"{lines.get(receipt.size, '')}{receipt.receipt}\n"
    return lines


def cosigned_note(row: AuditCheckpoint) -> str:
    """The note of the checkpoint with the signature lines of its witnesses."""
    return row.note + cosignature_lines([row.size]).get(row.size, "")


def _candidates(needed: int) -> QuerySet[Any]:
    """The sizes of the newest checkpoints with enough receipts of witnesses."""
    anchors = [witness.anchor for witness in configured_witnesses()]
    receipts = AuditReceipt.objects.filter(anchor__in=anchors).order_by().values("size")
    counted = receipts.annotate(number=Count("id")).filter(number__gte=needed)
    return counted.order_by("-size").values("size")[:_MOST_TRIED]


def _cosignatures_in(note: str, witnesses: Sequence[VerifierKey]) -> list[Cosignature]:
    """None that is wrong. Several for one witness count once."""
    try:
        return find_cosignatures(note, witnesses)
    except CheckpointInvalid:
        return []


def _is_late(since: datetime) -> bool:
    allowed = max(_LATE, timedelta(seconds=3 * settings.CC_ANCHOR_SECONDS))
    return process_now() - since > allowed
