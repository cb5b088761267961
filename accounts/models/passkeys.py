"""Passkeys: credentials of WebAuthn (W3C, Level 3), each a key pair whose private half stays in somebody's device."""

import uuid
from typing import Self

from django.db import models
from django_otp_webauthn.models import AbstractWebAuthnCredential

from kernel.trust.row_mac import MacField, MacProtectedRow


class Passkey(MacProtectedRow, AbstractWebAuthnCredential):  # type: ignore[misc]  # the package ships no types
    """A passkey of a user. Its MAC stands against a row put in by hand: a public key of one's own choosing would
    sign in as somebody else. It leaves out what each use changes: the counter, the time, whether it is backed up.
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
        """Whatever checks a signature reads the public key through here."""
        passkey: Self = super().get_by_credential_id(credential_id)
        return passkey.check_mac()
