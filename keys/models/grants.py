"""Grants: operations with one key, or with every key that has a tag, for an identity or for everyone with a role."""

import uuid
from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q

from accounts.authorization import Grant, Verdict, role_holder
from accounts.principals import Principal
from accounts.roles import word_of
from kernel.http.addresses import Networks
from kernel.trust.row_mac import MacField, MacProtectedRow

ROLE = "role"


class KeyGrantQuerySet(models.QuerySet["KeyGrant"]):
    """The filters of grants."""

    def of(self, principal: Principal) -> Self:
        """The grants to the principal's identity or role."""
        identity = principal.identity
        own = Q(principal_type=identity.type, principal_id=str(identity.id))
        return self.filter(own | Q(principal_type=ROLE, principal_id=principal.role))

    def in_force(self, now: datetime | models.Expression) -> Self:
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now))


class KeyGrant(MacProtectedRow):
    """A grant on ``key``, or on all keys with the tag ``tag``.

    ``principal_type`` is that of an identity, or ``role``; ``principal_id`` is the identity's id or the role. There is
    no foreign key, because an identity may be deleted, and its id is never used again. ``operations`` are permissions.
    """

    MAC_LABEL: ClassVar[str] = "key_grants"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.ForeignKey("keys.Key", null=True, on_delete=models.PROTECT, related_name="grants")
    tag = models.CharField(max_length=64, blank=True)
    principal_type = models.CharField(max_length=20)
    principal_id = models.CharField(max_length=36)
    operations = models.JSONField(default=list)
    networks = models.JSONField(default=list)
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey("accounts.User", null=True, on_delete=models.PROTECT, related_name="+")

    objects = KeyGrantQuerySet.as_manager()

    class Meta:
        db_table = "key_grants"
        indexes = [
            models.Index(fields=["principal_id", "principal_type"], name="idx_key_grants_principal"),
            models.Index(fields=["tag"], name="idx_key_grants_tag", condition=~Q(tag="")),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(key=None) ^ Q(tag=""), name="key_grants_key_or_tag"),
        ]

    def __str__(self) -> str:
        return f"grant {self.pk}"

    @property
    def operation_words(self) -> list[str]:
        """The operations as people and clients write them: ``encrypt``."""
        return list(map(word_of, self.operations))

    @property
    def holder(self) -> str:
        """The holder, as ``authorize`` looks it up in ``grants``."""
        if self.principal_type == ROLE:
            return role_holder(self.principal_id)
        return f"{self.principal_type}:{self.principal_id}"

    def mac_fields(self) -> tuple[MacField, ...]:
        return (
            self.id,
            self.key_id,
            self.tag,
            self.principal_type,
            self.principal_id,
            self.operations,
            self.networks,
            self.expires_at,
        )

    def as_rule(self) -> Grant:
        """The grant as ``authorize`` uses it."""
        return Grant(
            verdict=Verdict(True, f"grant:{self.id}", self.expires_at),
            operations=frozenset(self.operations),
            networks=Networks(tuple(self.networks)),
        )


def count_grants_to_role(name: str) -> int:
    return KeyGrant.objects.filter(principal_type=ROLE, principal_id=name).count()
