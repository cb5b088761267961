"""How far the continuous verification of the log is (``audit.verification.passes``)."""

from typing import ClassVar

from django.db import models

from kernel.trust.row_mac import MacField, MacProtectedRow


class AuditPass(MacProtectedRow):
    """The current pass over the log, or the last one until the next begins: a single row.

    A pass goes through the first ``size`` entries of the tree, then through the changed rows with the ids up to
    ``trail_size``. ``position`` counts the verified entries, then ``size`` plus the id of the last changed row.
    ``alarms`` were found so far, and ``digest`` is over their evidence, "" without any.
    """

    MAC_LABEL: ClassVar[str] = "audit_passes"
    # An older row of the same pass only repeats work. One of an earlier pass would skip entries.
    STATE: ClassVar[tuple[str, ...]] = ("finished",)

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    finished = models.BigIntegerField(default=0)  # full passes so far
    started_at = models.DateTimeField()
    size = models.BigIntegerField()
    trail_size = models.BigIntegerField()
    position = models.BigIntegerField(default=0)
    alarms = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, default="")

    class Meta:
        db_table = "audit_passes"
        verbose_name = "verification pass"
        verbose_name_plural = "verification passes"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="audit_passes_is_single")]

    def __str__(self) -> str:
        return f"{self.position} of {self.end}"

    @property
    def end(self) -> int:
        """The position at which the pass has ended."""
        return self.size + self.trail_size

    @property
    def has_ended(self) -> bool:
        return self.position >= self.end

    def mac_fields(self) -> tuple[MacField, ...]:
        return (
            self.finished,
            self.started_at,
            self.size,
            self.trail_size,
            self.position,
            self.alarms,
            self.digest,
        )
