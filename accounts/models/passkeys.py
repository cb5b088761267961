"""Passkeys: WebAuthn credentials (W3C, Level 3). The private half of each key pair stays in the user's device."""

import uuid
from typing import Self

from django.db import models
from django_otp_webauthn.models import AbstractWebAuthnCredential

from kernel.trust.row_heads import find_current
from kernel.trust.row_mac import MacField, MacProtectedRow


class Passkey(MacProtectedRow, AbstractWebAuthnCredential):  # type: ignore[misc]  # the package ships no types
    """A passkey of a user.

    The MAC detects inserted rows: with their own public key, an attacker could sign in as another user. It
    excludes the fields that every use changes: the counter, the time and the backup state.
    """

    MAC_LABEL = "passkeys"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    objects = models.Manager["Passkey"]()

    class Meta:
        db_table = "passkeys"

    def __str__(self) -> str:
        return str(self.name)

    def mac_fields(self) -> tuple[MacField, ...]:
        return (
            self.id,
            self.user_id,
            self.name,
            self.confirmed,
            self.credential_id_sha256,
            bytes(self.credential_id),
            bytes(self.public_key),
        )

    @classmethod
    def get_by_credential_id(cls, credential_id: bytes) -> Self:
        """Check the MAC and the head. All signature checks read the public key through this method."""
        passkey: Self = super().get_by_credential_id(credential_id)
        current = find_current(cls.objects.filter(pk=passkey.pk))
        if current is None:  # removed meanwhile
            raise cls.DoesNotExist
        return current
