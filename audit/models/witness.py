"""The witness for the logs of other installations: its key, and the newest checkpoint of each log that it cosigned."""

from django.db import models

from kernel.trust.row_mac import MacField, MacProtectedRow
from kernel.trust.wrapped_row import SYSTEM_LABEL, Binding, WrappedRow


class WitnessKey(MacProtectedRow, WrappedRow):
    """The Ed25519 key that signs cosignatures, and nothing else. There is one."""

    MAC_LABEL = "audit_witness_keys"

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    public_key = models.BinaryField(help_text="raw, as in its vkey")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "audit_witness_keys"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="audit_witness_key_is_single")]

    def __str__(self) -> str:
        return "witness key"

    @property
    def binding(self) -> Binding:
        return Binding(SYSTEM_LABEL, [b"witness"])

    def mac_fields(self) -> tuple[MacField, ...]:
        return self.id, bytes(self.public_key), self.kek_id, bytes(self.wrapped), self.created_at


class WitnessedLog(MacProtectedRow):
    """The newest checkpoint of a log that this witness cosigned. ``note`` has the signatures that it verified, and its own.

    If an older row were put back, the witness could cosign a second, different continuation of the log.
    """

    MAC_LABEL = "audit_witnessed_logs"

    origin = models.CharField(primary_key=True, max_length=255)
    size = models.BigIntegerField()
    root = models.BinaryField()
    note = models.TextField()
    cosigned_at = models.DateTimeField()

    class Meta:
        db_table = "audit_witnessed_logs"
        verbose_name = "witnessed log"
        ordering = ["origin"]

    def __str__(self) -> str:
        return f"{self.origin}: {self.size}"

    def mac_fields(self) -> tuple[MacField, ...]:
        return self.origin, self.size, bytes(self.root), self.note, self.cosigned_at
