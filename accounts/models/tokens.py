"""Families of refresh tokens, which sign-ins create, and the keys that sign access tokens."""

import uuid

from django.db import models

from accounts.errors import SessionEnded
from accounts.models.users import LONGEST_USER_AGENT, User
from kernel.trust.row_mac import MacField, MacProtectedRow
from kernel.trust.wrapped_row import SYSTEM_LABEL, Binding, WrappedRow


class TokenFamily(MacProtectedRow):
    """One sign-in and all the tokens that descend from it.

    A family ends when it is revoked, when ``expires_at`` passes (refreshing never moves it), when the user is
    disabled, or when the user's subject version changes. The MAC excludes the columns about the last use, because
    they are only shown to the user and no decision depends on them.
    """

    MAC_LABEL = "token_families"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="token_families")
    subject_version = models.PositiveIntegerField()
    auth_methods = models.CharField(max_length=60)
    auth_time = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    refreshed_at = models.DateTimeField(null=True, blank=True)
    client_ip = models.CharField(max_length=45, blank=True, default="")
    user_agent = models.CharField(max_length=LONGEST_USER_AGENT, blank=True, default="")

    class Meta:
        db_table = "token_families"
        verbose_name_plural = "token families"

    def __str__(self) -> str:
        return str(self.id)

    def mac_fields(self) -> tuple[MacField, ...]:
        return (
            self.id,
            self.user_id,
            self.subject_version,
            self.auth_methods,
            self.auth_time,
            self.expires_at,
            self.revoked_at,
        )

    def require_open(self) -> None:
        """Raises SessionEnded if the family was ended. Does not check the expiry, which needs the database's clock."""
        is_open = self.revoked_at is None and self.subject_version == self.user.subject_version
        if not (is_open and self.user.is_active):
            raise SessionEnded


class RefreshToken(MacProtectedRow):
    """A single-use refresh token, stored as its SHA-256.

    The MAC excludes ``used_at``, because only a compare-and-set writes it. The MAC detects inserted rows: with a
    hash of their own choice, an attacker could open another user's session.
    """

    MAC_LABEL = "refresh_tokens"
    STATE = ("row_mac", "used_at")

    token_hash = models.CharField(max_length=64, unique=True)
    family = models.ForeignKey(TokenFamily, on_delete=models.CASCADE, related_name="refresh_tokens")
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "refresh_tokens"

    def __str__(self) -> str:
        return f"refresh token {self.pk} of {self.family_id}"

    def mac_fields(self) -> tuple[MacField, ...]:
        return self.token_hash, self.family_id


class SigningKey(MacProtectedRow, WrappedRow):
    """An RSA key for access tokens.

    It is published as ``next`` first, signs while ``active``, then verifies until ``trusted_until``. The private
    half (PKCS #8, DER) is wiped when it stops signing.
    """

    MAC_LABEL = "token_signing_keys"

    class State(models.TextChoices):
        NEXT = "next"
        ACTIVE = "active"
        RETIRED = "retired"

    kid = models.CharField(primary_key=True, max_length=16, editable=False)
    state = models.CharField(max_length=10, choices=State.choices)
    public_key = models.BinaryField(help_text="SubjectPublicKeyInfo, DER")
    created_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True, blank=True)
    trusted_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "token_signing_keys"
        constraints = [
            models.UniqueConstraint(
                fields=["state"],
                condition=models.Q(state__in=["next", "active"]),
                name="one_next_and_one_active_signing_key",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["next", "active", "retired"]), name="signing_key_state_is_known"
            ),
        ]

    def __str__(self) -> str:
        return self.kid

    @property
    def binding(self) -> Binding:
        return Binding(SYSTEM_LABEL, [b"token-signing", self.kid.encode()])

    def mac_fields(self) -> tuple[MacField, ...]:
        return (
            self.kid,
            self.state,
            bytes(self.public_key),
            self.kek_id,
            bytes(self.wrapped),
            self.created_at,
            self.activated_at,
            self.trusted_until,
        )
