"""Second factors: an authenticator app (RFC 6238), and recovery codes for a lost authenticator.

django-otp's own plugin tables keep seeds and recovery codes in plain text, so they are not installed. Here the
key-encryption key wraps each seed, and only the hashes of recovery codes are stored.
"""

import uuid

from django.conf import settings
from django.db import models
from django_otp.models import Device

from kernel.trust.row_mac import MacField, MacProtectedRow
from kernel.trust.wrapped_row import SYSTEM_LABEL, Binding, WrappedRow


class TotpDevice(MacProtectedRow, WrappedRow, Device):  # type: ignore[misc]  # django-otp ships no types
    """A user's authenticator app, at most one per user. It takes effect once one of its codes has been confirmed.

    The inherited ``verify_token`` refuses everything: only ``accounts.second_factors.services`` uses codes, because
    it counts failures and makes each code single-use. The MAC excludes ``last_step``, because only a compare-and-set
    writes it.
    """

    MAC_LABEL = "totp_devices"
    LOCKED_BY = ("user",)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="totp_device"
    )
    name = None  # one device per user needs no name
    confirmed = models.BooleanField(default=False)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    last_step = models.BigIntegerField(
        default=0,
        help_text="The latest time step with an accepted code. Codes of this and earlier steps are rejected.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    begun_in = models.UUIDField(
        null=True,
        editable=False,
        help_text="The browser or API session that received the seed.",
    )

    objects = models.Manager["TotpDevice"]()

    class Meta:
        db_table = "totp_devices"
        verbose_name = "authenticator"

    def __str__(self) -> str:
        return f"authenticator of {self.user}"

    @property
    def binding(self) -> Binding:
        return Binding(SYSTEM_LABEL, [b"totp", self.user_id.bytes, self.id.bytes])

    def mac_fields(self) -> tuple[MacField, ...]:
        return self.id, self.user_id, self.confirmed, self.confirmed_at, self.kek_id, bytes(self.wrapped)


class RecoveryCode(MacProtectedRow):
    """One of the ten codes that replace the authenticator. Each works once.

    The MAC excludes ``used_at``, because only a compare-and-set writes it.
    """

    MAC_LABEL = "recovery_codes"
    STATE = ("row_mac", "used_at")

    device = models.ForeignKey(TotpDevice, on_delete=models.CASCADE, related_name="recovery_codes")
    code_hash = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "recovery_codes"
        constraints = [
            models.UniqueConstraint(fields=["device", "code_hash"], name="recovery_code_once_per_device")
        ]

    def __str__(self) -> str:
        return f"recovery code {self.pk}"

    def mac_fields(self) -> tuple[MacField, ...]:
        return self.device_id, self.code_hash
