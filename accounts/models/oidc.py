"""Identities at an OpenID Connect provider."""

import uuid

from django.db import models

from accounts.models.users import User
from kernel.trust.row_mac import MacField, MacProtectedRow


class OidcIdentity(MacProtectedRow):
    """The user of a person at a provider, who is identified by issuer and subject alone.

    The MAC detects inserted and moved rows: with their own subject, an attacker could sign in as another user.
    """

    MAC_LABEL = "oidc_identities"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="oidc_identities")
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "oidc_identities"
        verbose_name_plural = "OIDC identities"
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="oidc_identities_subject_once")
        ]

    def __str__(self) -> str:
        return str(self.id)

    def mac_fields(self) -> tuple[MacField, ...]:
        return self.id, self.user_id, self.issuer, self.subject
