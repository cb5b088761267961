"""Second factors: an authenticator app (RFC 6238), and the codes for the day it is lost.

django-otp's own plugin tables keep seeds and recovery codes in plain text, so they are not installed. Here a
seed is wrapped under the key-encryption key, and of a recovery code only the hash is kept.
"""

import uuid

from django.conf import settings
from django.db import models
from django_otp.models import Device

from ciphercanary.row_mac import MacField, MacProtectedRow
from ciphercanary.wrapped_row import WrappedRow


class TotpDevice(MacProtectedRow, WrappedRow, Device):  # type: ignore[misc]  # django-otp ships no types
    """A user's authenticator app: one each. It counts only once a code from it has been confirmed.

    The inherited ``verify_token`` refuses everything: a code is used by ``accounts.services`` alone, which
    counts failures and makes it single-use. The MAC leaves ``last_step`` out, because only a compare-and-set
    writes it.
    """

    MAC_LABEL = "totp_devices"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="totp_device"
    )
    name = None  # one device needs none
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

    def mac_fields(self) -> tuple[MacField, ...]:
        return self.id, self.user_id, self.confirmed, self.confirmed_at, self.kek_id, bytes(self.wrapped)


class RecoveryCode(MacProtectedRow):
    """One of the ten codes that stand in for the authenticator, each once.

    The MAC leaves ``used_at`` out, because only a compare-and-set writes it.
    """

    MAC_LABEL = "recovery_codes"

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
