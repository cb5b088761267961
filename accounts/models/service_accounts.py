"""Service accounts with their client secrets, and service tokens."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Self

from django.db import models

from accounts.models.roles import RoleHolder
from accounts.models.users import User
from accounts.principals import Principal
from accounts.roles import LABELS, word_of
from kernel.identities import Identity
from kernel.trust.row_mac import MacField, MacProtectedRow

LONGEST_NAME = 64


class _ServiceAccountQuerySet(models.QuerySet["ServiceAccount"]):
    def visible_to(self, principal: Principal) -> Self:
        """All of them. Raises Denied."""
        principal.require("users.read")
        return self


class ServiceAccount(RoleHolder, MacProtectedRow):
    """An application with a role of its own. It is no user: it has no password and never signs in to a browser.

    ``id`` is also the OAuth2 client id. ``is_active`` and the role are read for every use of one of its tokens.
    """

    MAC_LABEL = "service_accounts"
    STATE = ("row_mac", "description")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=LONGEST_NAME, unique=True)
    description = models.TextField(blank=True)
    role = models.CharField(max_length=20, choices=list(LABELS.items()))
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")

    objects = _ServiceAccountQuerySet.as_manager()

    class Meta:
        db_table = "service_accounts"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    limits: ClassVar[None] = None  # as of a user
    must_enrol: ClassVar[bool] = False  # it has no second factor
    subject_version: ClassVar[int] = 0  # nor sessions

    @property
    def identity(self) -> Identity:
        return Identity.service_account(self.id)

    @property
    def permissions(self) -> frozenset[str]:
        return self.rights.permissions

    def mac_fields(self) -> tuple[MacField, ...]:
        return self.id, self.name, self.role, self.is_active


class ClientSecret(MacProtectedRow):
    """A secret of a service account for OAuth2 client credentials (RFC 6749 section 2.3.1), stored as its SHA-256.

    The secret has 256 random bits and so needs no salt. During a rotation two secrets are valid: ``expires_at`` of the
    old one is the end of the overlap.
    """

    MAC_LABEL = "client_secrets"

    secret_hash = models.CharField(max_length=64, unique=True)
    service_account = models.ForeignKey(ServiceAccount, on_delete=models.CASCADE, related_name="secrets")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "client_secrets"

    def __str__(self) -> str:
        return f"secret {self.pk} of {self.service_account_id}"

    def is_valid(self, now: datetime) -> bool:
        return self.expires_at is None or self.expires_at > now

    def mac_fields(self) -> tuple[MacField, ...]:
        return self.secret_hash, self.service_account_id, self.expires_at


class TokenState(StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class ServiceToken(MacProtectedRow):
    """An opaque bearer token (``accounts.tokens.service_tokens``) of a service account or of a user, stored as its SHA-256.

    Its rights are those of its owner, reduced to ``scopes`` (permissions), to ``key_ids`` (None means every key that
    the owner may use) and to requests from ``networks`` (CIDR; none means all). ``is_issued`` marks the short-lived
    tokens that ``/oauth/token`` issues; people do not manage them. ``subject_version`` is that of the user at creation:
    the token ends together with the user's sessions.
    """

    MAC_LABEL = "service_tokens"
    STATE = ("row_mac", "name")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    token_hash = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=LONGEST_NAME)
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="service_tokens")
    service_account = models.ForeignKey(
        ServiceAccount, null=True, on_delete=models.CASCADE, related_name="tokens"
    )
    scopes = models.JSONField(default=list)
    key_ids = models.JSONField(null=True)
    networks = models.JSONField(default=list)
    is_issued = models.BooleanField(default=False)
    subject_version = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    rotated_at = models.DateTimeField(null=True)

    objects = models.Manager["ServiceToken"]()

    class Meta:
        db_table = "service_tokens"
        indexes = [models.Index(fields=["expires_at"], name="idx_service_tokens_expires")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user=None) ^ models.Q(service_account=None),
                name="service_tokens_has_one_owner",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def scope_words(self) -> list[str]:
        """The scopes as people and clients write them: ``encrypt``."""
        return list(map(word_of, self.scopes))

    @property
    def owner(self) -> User | ServiceAccount:
        owner = self.user or self.service_account
        assert owner is not None  # noqa: S101 - a constraint
        return owner

    @property
    def is_revoked(self) -> bool:
        """Whether it was revoked, or ended together with the sessions of its user."""
        return self.revoked_at is not None or self.subject_version != self.owner.subject_version

    def state(self, now: datetime) -> TokenState:
        if self.is_revoked:
            return TokenState.REVOKED
        return TokenState.EXPIRED if self.expires_at <= now else TokenState.ACTIVE

    @property
    def identity(self) -> Identity:
        """Of the owner, without a query."""
        if self.service_account_id is not None:
            return Identity.service_account(self.service_account_id)
        assert self.user_id is not None  # noqa: S101 - a constraint
        return Identity.user(self.user_id)

    def mac_fields(self) -> tuple[MacField, ...]:
        return (
            self.id,
            self.token_hash,
            self.user_id,
            self.service_account_id,
            self.scopes,
            self.key_ids,
            self.networks,
            self.is_issued,
            self.subject_version,
            self.created_at,
            self.expires_at,
            self.revoked_at,
            self.rotated_at,
        )
