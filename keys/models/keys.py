"""Keys, their versions and the record of rotations."""

import uuid
from datetime import datetime
from hashlib import sha256
from typing import ClassVar, Self

from django.conf import settings
from django.db import connections, models
from django.db.models import F, Q, Value

from accounts.principals import Principal
from audit.log.raw_rows import Spelled
from kernel.crypto.algorithms import KEY_ALGORITHMS
from kernel.identities import Identity
from kernel.labels import MAX_REASON
from kernel.trust.row_mac import IntegrityFailed, MacField, MacProtectedRow
from kernel.trust.wrapped_row import Binding, WrappedRow
from keys import lifecycle, wrapped_material
from keys.lifecycle import LifecycleState, State, Status, VersionState
from keys.models.visibility import HasElement, is_own, is_visible, is_within_reach
from keys.selection import Finding, contains_words, has_finding, has_status


class KeyQuerySet(models.QuerySet["Key"]):
    """The filters of key lists."""

    def visible_to(self, principal: Principal) -> Self:
        """The keys that the principal may read. Every read of keys starts here, or with ``within_reach_of``."""
        return self.filter(is_visible(principal))

    def within_reach_of(self, principal: Principal) -> Self:
        """The keys that exist for the principal, even if they may use, but not read them."""
        return self.filter(is_within_reach(principal))

    def created_by_identity(self, identity: Identity) -> Self:
        return self.filter(is_own(identity))

    def with_status(self, status: Status, now: datetime) -> Self:
        return self.filter(has_status(status, now))

    def with_finding(self, finding: Finding, now: datetime) -> Self:
        return self.filter(has_finding(finding, now))

    def ids_as_logged(self) -> models.QuerySet["Key", str]:
        """The IDs in the audit log's format, for use in a subquery."""
        return self.order_by().values_list(Spelled("id"), flat=True)

    def search(self, words: str) -> Self:
        return self.filter(contains_words(words))

    def tagged(self, tag: str) -> Self:
        """The keys with exactly this tag, including case."""
        if connections[self.db].vendor == "postgresql":
            return self.filter(tags__contains=[tag])
        return self.filter(HasElement(F("tags"), Value(tag)))

    def due_for_rotation(self, now: datetime) -> Self:
        return self.with_finding(Finding.OVERDUE, now)


class Key(MacProtectedRow):
    """A key. Its ID and name never change; a rotation adds a version. Only the versions hold material.

    ``created_by`` or ``service_account_id`` is the owner; neither is set if the system created the key.
    """

    MAC_LABEL: ClassVar[str] = "encryption_keys"
    MAC_VERSION: ClassVar[int] = 2
    OLDER_MAC_VERSIONS: ClassVar[frozenset[int]] = frozenset({1})  # tags decided about nothing

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=64, unique=True)
    description = models.TextField(blank=True)
    tags = models.JSONField(default=list)
    algorithm = models.CharField(max_length=50)
    purpose = models.CharField(max_length=20)
    modes = models.JSONField(help_text="allowed encryption modes; the first is the default")
    state = models.CharField(max_length=20, choices=[(state.value, state.value) for state in State])
    is_active = models.GeneratedField(
        expression=models.Case(models.When(state=State.ACTIVE.value, then=True), default=False),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    activates_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    primary_version = models.PositiveIntegerField(default=1)
    rotation_period_days = models.PositiveIntegerField(null=True)
    next_rotation_at = models.DateTimeField(null=True)
    is_default = models.BooleanField(default=False, help_text="used if the owner names no key")
    searched_text = models.TextField(editable=False)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    service_account_id = models.UUIDField(null=True, editable=False)

    objects = KeyQuerySet.as_manager()

    class Meta:
        db_table = "encryption_keys"
        indexes = [
            models.Index(fields=["algorithm"], name="idx_encryption_keys_algorithm"),
            models.Index(fields=["is_active"], name="idx_encryption_keys_status"),
            models.Index(fields=["created_at"], name="idx_encryption_keys_created"),
            models.Index(fields=["expires_at"], name="idx_encryption_keys_expires"),
            models.Index(
                fields=["next_rotation_at"],
                name="idx_encryption_keys_due",
                condition=Q(next_rotation_at__isnull=False),
            ),
            models.Index(
                fields=["service_account_id"],
                name="idx_encryption_keys_account",
                condition=Q(service_account_id__isnull=False),
            ),
            # Rare states only. A list of such keys is ordered by name, so its first page needs no sort.
            models.Index(
                fields=["state", "name"],
                name="idx_encryption_keys_state",
                condition=Q(state__in=[state.value for state in State if state != State.ACTIVE]),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in State]), name="encryption_keys_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(primary_version__gte=1), name="encryption_keys_has_primary_version"
            ),
            models.CheckConstraint(
                condition=Q(activates_at=None) | Q(expires_at=None) | Q(expires_at__gt=F("activates_at")),
                name="encryption_keys_expires_after_activation",
            ),
            models.UniqueConstraint(
                fields=["created_by", "algorithm"],
                condition=Q(is_default=True),
                name="encryption_keys_one_default",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key_size(self) -> int:
        """In bits."""
        return KEY_ALGORITHMS[self.algorithm].key_size

    @property
    def versions_count(self) -> int:
        """Version numbers have no gaps and rows are never deleted, so the newest number is the count."""
        return self.primary_version

    @property
    def owner(self) -> Identity:
        if self.service_account_id is not None:
            return Identity.service_account(self.service_account_id)
        return Identity.SYSTEM if self.created_by_id is None else Identity.user(self.created_by_id)

    @property
    def granting_tags(self) -> list[str]:
        """The tags whose grants apply to the key. The MAC of an older row does not cover its tags, so none does."""
        return list(self.tags) if self.stored_mac_version == self.MAC_VERSION else []

    def lifecycle_state(self, now: datetime) -> LifecycleState:
        return lifecycle.lifecycle_state(State(self.state), self.activates_at, self.expires_at, now)

    def mac_fields(self) -> tuple[MacField, ...]:
        """The fields that decide who may use the key, for what, and until when."""
        return (*self._first_mac_fields(), self.tags, self.service_account_id)

    def older_mac_fields(self, version: int) -> tuple[MacField, ...]:  # noqa: ARG002 - there is only version 1
        if self.service_account_id is not None:
            raise IntegrityFailed("A key has an owner that its MAC does not cover. Restore it from a backup.")
        return self._first_mac_fields()

    def _first_mac_fields(self) -> tuple[MacField, ...]:
        return (
            self.id,
            self.name,
            self.algorithm,
            self.purpose,
            self.modes,
            str(self.state),
            self.activates_at,
            self.expires_at,
            self.primary_version,
            self.created_by_id,
            self.is_default,
        )


class KeyVersion(MacProtectedRow, WrappedRow):
    """One generation of a key's wrapped material. ``Key.primary_version`` determines which one protects."""

    MAC_LABEL: ClassVar[str] = "key_versions"
    LOCKED_BY: ClassVar[tuple[str, ...]] = ("key",)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.ForeignKey(Key, on_delete=models.PROTECT, related_name="versions")
    version = models.PositiveIntegerField()
    state = models.CharField(
        max_length=20,
        choices=[(state.value, state.value) for state in VersionState],
        default=VersionState.ENABLED.value,
    )
    # Repeats Key.primary_version so that the database itself can refuse a second primary. Not covered by the MAC,
    # because it is only displayed and no decision depends on it.
    is_primary = models.BooleanField()
    # Not covered by the MAC, because many processes increase it with a plain UPDATE that must not wait for a lock. An
    # attacker with write access to the database who lowers it could let a version seal more than its limit, which is
    # not a leak by itself. A value that is too high makes the version refuse.
    uses_reserved = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "key_versions"
        constraints = [
            models.UniqueConstraint(fields=["key", "version"], name="key_versions_number_is_unique"),
            models.UniqueConstraint(
                fields=["key"], condition=Q(is_primary=True), name="key_versions_one_primary"
            ),
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in VersionState]),
                name="key_versions_state_is_known",
            ),
            models.CheckConstraint(condition=Q(version__gte=1), name="key_versions_number_from_one"),
        ]

    def __str__(self) -> str:
        return f"version {self.version}"

    @property
    def binding(self) -> Binding:
        key = self.key
        return wrapped_material.binding_of(key.id, self.version, key.algorithm, key.purpose)

    def mac_fields(self) -> tuple[MacField, ...]:
        return (
            self.key_id,
            self.version,
            str(self.state),
            self.kek_id,
            sha256(bytes(self.wrapped)).digest(),
        )


class KeyRotationQuerySet(models.QuerySet["KeyRotation"]):
    def visible_to(self, principal: Principal) -> Self:
        """The rotations of the keys that the principal may see."""
        return self.filter(old_key__in=Key.objects.visible_to(principal).order_by())


class KeyRotation(models.Model):
    """A rotation of a key. For a rotation in place, both keys are the same.

    ``rotated_by`` or ``service_account_id`` performed it; neither is set if the system did.
    """

    COMPLETED: ClassVar[str] = "completed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    old_key = models.ForeignKey(Key, on_delete=models.PROTECT, related_name="rotations")
    new_key = models.ForeignKey(Key, on_delete=models.PROTECT, related_name="+")
    old_version = models.PositiveIntegerField()
    new_version = models.PositiveIntegerField()
    rotation_reason = models.CharField(max_length=MAX_REASON)
    rotated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    service_account_id = models.UUIDField(null=True, editable=False)
    rotated_at = models.DateTimeField()
    status = models.CharField(max_length=20, default=COMPLETED)

    objects = KeyRotationQuerySet.as_manager()

    class Meta:
        db_table = "key_rotations"
        indexes = [models.Index(fields=["rotated_at"], name="idx_key_rotations_rotated_at")]
        constraints = [
            models.CheckConstraint(condition=Q(status="completed"), name="key_rotations_status_is_known")
        ]

    def __str__(self) -> str:
        return f"{self.old_version} to {self.new_version}"
