"""Usage totals of keys by hour and by day, and the last use of service tokens. Only the sequencer writes them, so no writer waits."""

from django.db import models

from audit.log.events import TEXT_LIMITS, Outcome
from kernel.identities import IdentityType


class UsageRollup(models.Model):
    """Operations of one kind with one version of a key, by one principal, within one hour (UTC).

    41 days after the end of a day, its rows become one: that of its last hour, with the totals of the day.
    ``principal`` is the id of a service account if ``principal_type`` states so, otherwise that of a user, "" without
    one. ``version`` is 0 if the entry has none. ``size`` is in bytes.
    """

    key_id = models.CharField(max_length=TEXT_LIMITS["object_id"])
    version = models.BigIntegerField()
    principal = models.CharField(max_length=36, blank=True)
    # The database has the default, too: a sequencer of an earlier version may still run after the migration.
    principal_type = models.CharField(
        max_length=20, default=IdentityType.USER.value, db_default=IdentityType.USER.value
    )
    operation = models.CharField(max_length=TEXT_LIMITS["action"])
    outcome = models.CharField(max_length=10, choices=[(word.value, word.value) for word in Outcome])
    hour = models.DateTimeField()
    count = models.BigIntegerField()
    size = models.BigIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        db_table = "usage_rollups"
        verbose_name = "usage"
        verbose_name_plural = "usage"
        constraints = [
            models.UniqueConstraint(
                fields=["key_id", "version", "principal", "operation", "outcome", "hour"],
                name="usage_rollups_once",
            )
        ]
        indexes = [
            models.Index(fields=["hour"], name="idx_usage_rollups_hour"),
            # Else the use of one key in a period reads the period of every key, or the whole history of this one.
            models.Index(fields=["key_id", "hour"], name="idx_usage_rollups_key"),
        ]

    def __str__(self) -> str:
        return f"{self.key_id} {self.operation} {self.hour:%Y-%m-%dT%H}: {self.count}"


class UsageDay(models.Model):
    """The operations of a day (UTC) with one key, by one principal, or all of them, from the last weeks.

    ``subject`` is the id of the key or, as in ``UsageRollup``, of the principal; "" for all. The sums show what
    concerns many keys over many days without a read of each hour of each key.
    """

    class Kind(models.TextChoices):
        ALL = "all"
        KEY = "key"
        PRINCIPAL = "principal"

    day = models.DateTimeField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    subject = models.CharField(max_length=TEXT_LIMITS["object_id"], blank=True)
    allowed = models.BigIntegerField()
    denied = models.BigIntegerField()
    failed = models.BigIntegerField()

    class Meta:
        db_table = "usage_days"
        verbose_name = "usage of a day"
        verbose_name_plural = "usage by day"
        constraints = [
            models.UniqueConstraint(fields=["kind", "subject", "day"], name="usage_days_once"),
        ]
        indexes = [
            # The busiest of a day come first.
            models.Index(
                "day",
                "kind",
                models.F("allowed") + models.F("denied") + models.F("failed"),
                name="idx_usage_days_busiest",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject} {self.day:%Y-%m-%d}: {self.allowed}"


class TokenLastUse(models.Model):
    """The newest entry of a service token: its time, and the client's address, "" if it has several."""

    token_id = models.CharField(primary_key=True, max_length=TEXT_LIMITS["token_id"])
    last_at = models.DateTimeField()
    client_ip = models.CharField(max_length=TEXT_LIMITS["client_ip"], blank=True)

    class Meta:
        db_table = "token_last_uses"
        verbose_name = "last use of a token"
        verbose_name_plural = "last uses of tokens"

    def __str__(self) -> str:
        return f"{self.token_id}: {self.last_at:%Y-%m-%dT%H:%M:%SZ}"
