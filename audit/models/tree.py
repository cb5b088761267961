"""The Merkle tree over the log, which proves its content. Only the sequencer writes it."""

from django.db import models

from kernel.trust.row_mac import MacField, MacProtectedRow


class AuditLeaf(models.Model):
    """A leaf of the first era: ``merkle.leaf_hash`` of entry ``log_id`` at index ``idx`` (0, 1, 2 … without a gap).

    Entries of that era have ids in another order than their leaves. The table no longer grows: see ``AuditTree``.
    """

    idx = models.BigIntegerField(primary_key=True)
    log_id = models.BigIntegerField(unique=True)
    leaf_hash = models.BinaryField()

    class Meta:
        db_table = "audit_leaves"
        verbose_name = "leaf of the first era"
        verbose_name_plural = "leaves of the first era"

    def __str__(self) -> str:
        return f"{self.idx}: #{self.log_id}"


class AuditTile(models.Model):
    """Up to 256 consecutive hashes of one level (C2SP tlog-tiles), concatenated; the right-most tiles grow."""

    level = models.PositiveSmallIntegerField()
    number = models.BigIntegerField()
    hashes = models.BinaryField()

    class Meta:
        db_table = "audit_tiles"
        verbose_name = "tile"
        constraints = [models.UniqueConstraint(fields=["level", "number"], name="audit_tiles_position")]

    def __str__(self) -> str:
        return f"{self.level}/{self.number}"


class AuditTree(models.Model):
    """One row: the size of the tree, its right edge (``merkle.Frontier.encode``) and its root.

    The first ``old_size`` leaves are those of ``AuditLeaf``; a new installation has none. All later ones are in the
    tiles, and their entries have the id ``index + 1 + id_shift``.

    ``sums`` are those of the protected rows (``audit.sequencing.state``), sealed for this size and root, NULL before they
    begin.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    size = models.BigIntegerField(default=0)
    edge = models.BinaryField(default=bytes)
    root = models.BinaryField()
    old_size = models.BigIntegerField(default=0, db_default=0)
    id_shift = models.BigIntegerField(default=0, db_default=0)
    sums = models.BinaryField(null=True)

    class Meta:
        db_table = "audit_tree"
        verbose_name = "tree"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="audit_tree_is_single")]

    def __str__(self) -> str:
        return f"{self.size} entries"


class AuditCheckpoint(models.Model):
    """A signed tree head (C2SP tlog-checkpoint): the signed note, and its link.

    ``audit.sequencing.checkpoints.links`` describes the link.
    """

    size = models.BigIntegerField(primary_key=True)
    note = models.TextField()
    signed_at = models.DateTimeField(db_index=True)
    previous = models.BigIntegerField(null=True)
    kept = models.BigIntegerField(null=True)
    # NULL, because a default would rebuild the SQLite table without its triggers.
    link_mac = models.CharField(max_length=80, null=True)  # noqa: DJ001

    class Meta:
        db_table = "audit_checkpoints"
        verbose_name = "checkpoint"
        ordering = ["-size"]

    def __str__(self) -> str:
        return f"checkpoint of {self.size}"


class AuditReceipt(MacProtectedRow):
    """Proof that an anchor has stored a checkpoint. ``receipt`` identifies it there.

    Receipts of earlier versions get their MAC when the state begins.
    """

    MAC_LABEL = "audit_receipts"
    STATE = ()  # receipts never change, and a missing one only hides that a checkpoint is anchored

    row_seq = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
    row_mac = models.CharField(max_length=80, default="", db_default="", editable=False)
    size = models.BigIntegerField()
    anchor = models.CharField(max_length=20)
    receipt = models.CharField(max_length=400)
    anchored_at = models.DateTimeField()

    class Meta:
        db_table = "audit_receipts"
        verbose_name = "receipt"
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["size", "anchor"], name="audit_receipts_once")]

    def __str__(self) -> str:
        return f"{self.anchor}: checkpoint of {self.size}"

    def mac_fields(self) -> tuple[MacField, ...]:
        return self.size, self.anchor, self.receipt, self.anchored_at
