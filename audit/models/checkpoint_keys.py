"""The keys that sign checkpoints, wrapped like all other keys."""

from django.db import models

from kernel.trust.row_mac import MacField, MacProtectedRow
from kernel.trust.wrapped_row import SYSTEM_LABEL, Binding, WrappedRow


class CheckpointKey(MacProtectedRow, WrappedRow):
    """One key of one algorithm. It is ``next`` from its publication in the log until a checkpoint of the old key
    covers that entry. It signs while ``active``. Finally it is ``retired``, and its private half is wiped.
    """

    MAC_LABEL = "checkpoint_keys"

    class State(models.TextChoices):
        NEXT = "next"
        ACTIVE = "active"
        RETIRED = "retired"

    kid = models.CharField(primary_key=True, max_length=16, editable=False)
    algorithm = models.CharField(max_length=20)
    public_key = models.BinaryField(help_text="raw, as in its vkey")
    state = models.CharField(max_length=10, choices=State.choices)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "checkpoint_keys"
        constraints = [
            models.UniqueConstraint(
                fields=["algorithm", "state"],
                condition=models.Q(state__in=["next", "active"]),
                name="one_next_and_one_active_checkpoint_key",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["next", "active", "retired"]),
                name="checkpoint_key_state_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.kid

    @property
    def binding(self) -> Binding:
        return Binding(SYSTEM_LABEL, [b"checkpoint-signing", self.kid.encode()])

    def mac_fields(self) -> tuple[MacField, ...]:
        return (
            self.kid,
            self.algorithm,
            bytes(self.public_key),
            self.state,
            self.kek_id,
            bytes(self.wrapped),
            self.created_at,
        )
