"""An attacker who makes each alteration consistent with the tree, as far as the available keys allow."""

import json
from collections.abc import Callable, Sequence

from django.db import transaction
from django.db.models import F

from audit.log.entries import ENTRY_FIELDS, entry_bytes, mac_bytes, version_of
from audit.log.entry_mac import compute_entry_mac
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
from audit.sequencing.checkpoints.signing_keys import active_signers, origin
from audit.sequencing.head import Head, reset_head
from audit.sequencing.rollups import add_usage
from audit.tlog.checkpoint import Checkpoint, Signer, VerifierKey, sign_note
from audit.tlog.merkle import Frontier, leaf_hash
from audit.tlog.tiles import append
from kernel.crypto import seed_signing
from kernel.databases.changes import take_changes

FAR = 10**9


def rebuild(log_ids: Sequence[int]) -> None:
    """Renumber these entries in this order, and write tiles, tree and usage for them, as the sequencer would."""
    with transaction.atomic():
        for index, log_id in enumerate(log_ids):
            AuditLog.objects.filter(id=log_id).update(id=-1 - index)
        AuditLog.objects.filter(id__gt=0).update(id=F("id") + 2 * FAR)  # rows that are not in the tree
        AuditLog.objects.filter(id__lt=0).update(id=-F("id"))
        rows = AuditLog.objects.filter(id__lte=len(log_ids)).order_by("id").values(*ENTRY_FIELDS)
        octets = [entry_bytes(row) for row in rows]
        leaves = [leaf_hash(entry) for entry in octets]
        frontier = Frontier.EMPTY.extended(leaves)
        for model in (AuditTile, UsageRollup, UsageDay):
            model.objects.all().delete()
        AuditTile.objects.bulk_create(
            AuditTile(level=level, number=number, hashes=hashes)
            for (level, number), hashes in append(0, {}, leaves).items()
        )
        AuditTree.objects.update(size=frontier.size, edge=frontier.encode(), root=frontier.root())
        add_usage(map(json.loads, octets))


def entries() -> list[int]:
    """The log ids in the order of the tree."""
    size = AuditTree.objects.get().size
    return list(AuditLog.objects.filter(id__lte=size).order_by("id").values_list("id", flat=True))


def cut(size: int, *, rolls_back: bool = True) -> None:
    """Remove everything after the first ``size`` entries, including the checkpoints."""
    kept = entries()[:size]
    log = AuditLog.objects.filter(id__gt=size)
    AuditTrail.objects.filter(event_id__in=list(log.values_list("event_id", flat=True))).delete()
    log.delete()
    AuditBundle.objects.all().delete()
    AuditCheckpoint.objects.filter(size__gt=size).delete()
    if rolls_back:
        rebuild(kept)


def rewrite(index: int, **columns: object) -> None:
    """Change the columns of an entry, with a valid MAC: the attacker has the key-encryption key."""
    row = AuditLog.objects.filter(id=entries()[index]).values(*ENTRY_FIELDS).get() | columns
    row["mac"] = compute_entry_mac(mac_bytes(row), version_of(row))
    AuditLog.objects.filter(id=row["id"]).update(**row)


def resign(signers: Sequence[tuple[VerifierKey, Signer]], *, beyond: int = 0) -> None:
    """Re-sign the checkpoints of more than ``beyond`` entries for the current tree; update the host's head."""
    rows = AuditLog.objects.filter(id__in=entries()).order_by("id").values(*ENTRY_FIELDS)
    leaves = [leaf_hash(entry_bytes(row)) for row in rows]
    for checkpoint in AuditCheckpoint.objects.filter(size__gt=beyond):
        head = Checkpoint(
            origin(), checkpoint.size, Frontier.EMPTY.extended(leaves[: checkpoint.size]).root()
        )
        note = sign_note(head, signers, int(checkpoint.signed_at.timestamp()))
        AuditCheckpoint.objects.filter(size=checkpoint.size).update(note=note)
        reset_head(Head(head.size, head.root))


def rewrite_with_other_keys(index: int, **columns: object) -> None:
    """Rewrite the whole log: entries, tree, keys and their publication, every checkpoint."""
    signers = [_new_signer(algorithm) for algorithm in (seed_signing.ED25519, seed_signing.ML_DSA_44)]
    rewrite(index, **columns)
    publications = AuditLog.objects.filter(action="audit.checkpoint_key.published").order_by("id")
    kids = list(CheckpointKey.objects.values_list("kid", flat=True))
    CheckpointKey.objects.exclude(kid__in=kids[:2]).delete()
    CheckpointKey.objects.update(state="retired")
    for row, (key, _) in zip(CheckpointKey.objects.order_by("kid"), signers, strict=True):
        row.algorithm, row.public_key, row.state = key.algorithm, key.public_key, "active"
        with transaction.atomic():
            row.save_with_mac()
            take_changes()  # no entry has them
    order = entries()
    for number, entry in enumerate(publications):
        vkeys = [key.vkey for key, _ in signers] if number == 0 else []
        meta = json.dumps({"vkeys": vkeys}, separators=(",", ":"))
        rewrite(order.index(entry.id), meta=meta)
    rebuild(order)
    resign(signers)


def rewrite_with_our_keys(index: int, **columns: object) -> None:
    """Rewrite an entry and every later checkpoint, as the operators themselves could."""
    rewrite(index, **columns)
    rebuild(entries())
    resign(active_signers(), beyond=index)


def _new_signer(algorithm: str) -> tuple[VerifierKey, Callable[[bytes], bytes]]:
    material, public = seed_signing.generate(algorithm)
    return VerifierKey(origin(), algorithm, public), lambda message: seed_signing.sign(
        algorithm, material, message
    )
