"""Keys."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from kernel.crypto.algorithms import KeyAlgorithm, algorithm_of_key, find_key_algorithms, is_deterministic
from kernel.crypto.transit_types import type_of
from kernel.identities import Identity
from kernel.trust.row_mac import IntegrityFailed, MacField, MacProtectedRow
from keys import lifecycle
from keys.lifecycle import LifecycleState, Origin, State
from keys.models.key_constraints import KEY_CONSTRAINTS
from keys.models.key_queries import KeyQuerySet
from keys.models.selection import FIGURE_COLUMNS


class Key(MacProtectedRow):
    """A key. Its ID and name never change; a rotation adds a version. Only the versions hold material.

    ``created_by`` or ``service_account_id`` is the owner: first the creator, and later the user or service account that got the key by
    a transfer. Neither is set if the system created the key.
    """

    MAC_LABEL: ClassVar[str] = "encryption_keys"
    STATE: ClassVar[tuple[str, ...]] = ("row_mac", "description", "rotation_period_days", "searched_text")
    MAC_VERSION: ClassVar[int] = 5
    OLDER_MAC_VERSIONS: ClassVar[frozenset[int]] = frozenset({1, 2, 3, 4})

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
    resumes_at = models.DateTimeField(null=True, help_text="when a suspension for a limited time ends")
    primary_version = models.PositiveIntegerField(default=1)
    rotation_period_days = models.PositiveIntegerField(null=True)
    next_rotation_at = models.DateTimeField(null=True)
    is_default = models.BooleanField(default=False, help_text="used if the owner names no key")
    policy = models.ForeignKey(
        "keys.EncryptionPolicy", null=True, on_delete=models.PROTECT, related_name="keys", db_index=False
    )
    # The database has the defaults, too: processes of an earlier version still create keys during an update.
    exportable = models.BooleanField(default=False, db_default=False)
    origin = models.CharField(
        max_length=20,
        choices=[(origin.value, origin.value) for origin in Origin],
        default=Origin.GENERATED.value,
        db_default=Origin.GENERATED.value,
    )
    min_decryption_version = models.PositiveIntegerField(default=1, db_default=1)
    successor = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="+")
    deletion_protection = models.BooleanField(default=False, db_default=False)
    deletion_scheduled_at = models.DateTimeField(null=True)
    deletion_at = models.DateTimeField(null=True)
    state_before_deletion = models.CharField(max_length=20, blank=True, default="", db_default="")
    expiry_recorded_at = models.DateTimeField(null=True, help_text="when the log recorded the expiry")
    has_unproven_tags = models.BooleanField(default=False, db_default=False, editable=False)
    searched_text = models.TextField(editable=False)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    service_account_id = models.UUIDField(null=True, editable=False)

    objects = KeyQuerySet.as_manager()

    class Meta:
        db_table = "encryption_keys"
        indexes = [
            models.Index(fields=["algorithm", "id"], name="idx_encryption_keys_algorithm"),
            models.Index(fields=["is_active"], name="idx_encryption_keys_status"),
            models.Index(fields=["created_at"], name="idx_encryption_keys_created"),
            models.Index(fields=["expires_at"], name="idx_encryption_keys_expires"),
            models.Index(
                fields=["next_rotation_at"],
                name="idx_encryption_keys_due",
                condition=Q(next_rotation_at__isnull=False),
            ),
            models.Index(
                fields=["policy"], name="idx_encryption_keys_policy", condition=Q(policy__isnull=False)
            ),
            models.Index(
                fields=["activates_at"],
                name="idx_encryption_keys_activation",
                condition=Q(state=State.PRE_ACTIVATION.value, activates_at__isnull=False),
            ),
            models.Index(
                fields=["expires_at"],
                name="idx_encryption_keys_expiry",
                condition=Q(
                    state=State.ACTIVE.value, expires_at__isnull=False, expiry_recorded_at__isnull=True
                ),
            ),
            models.Index(
                fields=["resumes_at"],
                name="idx_encryption_keys_resumption",
                condition=Q(resumes_at__isnull=False),
            ),
            models.Index(
                fields=["deletion_at"],
                name="idx_encryption_keys_deletion",
                condition=Q(state=State.DELETION_SCHEDULED.value),
            ),
            models.Index(
                fields=["service_account_id"],
                name="idx_encryption_keys_account",
                condition=Q(service_account_id__isnull=False),
            ),
            models.Index(fields=FIGURE_COLUMNS, name="idx_encryption_keys_figures"),
            # Rare states only. A list of such keys is ordered by name, so its first page needs no sort.
            models.Index(
                fields=["state", "name"],
                name="idx_encryption_keys_state",
                condition=Q(state__in=[state.value for state in State if state != State.ACTIVE]),
            ),
        ]
        constraints = KEY_CONSTRAINTS

    def __str__(self) -> str:
        return self.name

    @property
    def kind(self) -> KeyAlgorithm:
        return algorithm_of_key(self.algorithm, self.purpose)

    @property
    def key_size(self) -> int:
        """In bits, of the algorithm: imported material of an HMAC key may have another size."""
        return self.kind.key_size

    @property
    def has_private_key(self) -> bool:
        """False if only the public key was imported."""
        return self.origin != Origin.PUBLIC_KEY

    @property
    def versions_count(self) -> int:
        """Version numbers have no gaps and rows are never deleted, so the newest number is the count."""
        return self.primary_version

    @property
    def protecting_modes(self) -> list[str]:
        """The modes in which the key may encrypt. The engine checks the mode again."""
        allowed = self.policy.allowed_modes if self.policy else self.modes
        if not isinstance(allowed, list):  # an altered row must not hide the other keys of a list
            return []
        return [mode for mode in self.modes if mode in allowed]

    @property
    def default_mode(self) -> str:
        """The mode for callers who name none; "" if an altered policy allows none."""
        return next(iter(self.protecting_modes), "")

    @property
    def effective_rotation_days(self) -> int | None:
        """The rotation period: the key's own, otherwise that of its policy. None: no automatic rotation."""
        if is_deterministic(self.algorithm):  # equal data must keep giving equal ciphertexts
            return None
        if not self.may_rotate:
            return None
        if self.rotation_period_days is not None or self.policy is None:
            return self.rotation_period_days
        return self.policy.rotation.every_days

    @property
    def owner(self) -> Identity:
        if self.service_account_id is not None:
            return Identity.service_account(self.service_account_id)
        return Identity.SYSTEM if self.created_by_id is None else Identity.user(self.created_by_id)

    @property
    def granting_tags(self) -> list[str]:
        """The tags whose grants apply to the key: none while nothing proves that they are unaltered."""
        return [] if self.stored_mac_version == 1 or self.has_unproven_tags else list(self.tags)

    def require_protect(self, now: datetime) -> None:
        """Raises KeyNotActive."""
        lifecycle.require_protect(self.lifecycle_state(now), self.successor_id)

    @property
    def protects(self) -> bool:
        """As of ``KeyAlgorithm``, where it does not depend on the purpose."""
        return type_of(self.algorithm) is not None or find_key_algorithms(self.algorithm)[0].protects

    @property
    def may_rotate(self) -> bool:
        """Whether new material can be generated for it, in an active state."""
        return self.has_private_key and self.protects

    def lifecycle_state(self, now: datetime) -> LifecycleState:
        return lifecycle.lifecycle_state(
            State(self.state), self.activates_at, self.expires_at, now, self.resumes_at
        )

    def change_state(self, to: State) -> None:
        """Set the state, and forget when a suspension was to end. The caller saves the row."""
        self.state, self.resumes_at = to, None

    def save_with_mac(
        self, update_fields: Iterable[str] | None = None, *, sets_all_fields: bool = False
    ) -> None:
        """As in the base class, but an older MAC is always replaced. ``sets_all_fields``: the caller has set the tags.

        Version 1 did not cover the tags. ``has_unproven_tags`` therefore marks such rows until their tags are set.
        """
        if sets_all_fields:
            self.has_unproven_tags = False
        elif self.stored_mac_version == 1:
            self.has_unproven_tags = True
        super().save_with_mac(update_fields, sets_all_fields=True)

    def mac_fields(self) -> tuple[MacField, ...]:
        """The fields that decide who may use the key, for what, and until when."""
        return (*self._third_mac_fields(), str(self.origin), self.resumes_at)

    def _third_mac_fields(self) -> tuple[MacField, ...]:
        return (
            *self._first_mac_fields(),
            self.tags,
            self.service_account_id,
            self.policy_id,
            self.exportable,
            self.min_decryption_version,
            self.successor_id,
            self.deletion_protection,
            self.deletion_at,
            self.state_before_deletion,
            self.has_unproven_tags,
            self.created_at,
        )

    def older_mac_fields(self, version: int) -> tuple[MacField, ...]:
        newer = [self.resumes_at is not None]
        if version < 4:  # noqa: PLR2004 - a version of the list, as in OLDER_MAC_VERSIONS
            newer.append(self.origin != Origin.GENERATED)
        if version < 3:  # noqa: PLR2004 - a version of the list, as in OLDER_MAC_VERSIONS
            newer += [
                self.policy_id is not None,
                self.successor_id is not None,
                self.deletion_at is not None,
                self.exportable,
                self.deletion_protection,
                bool(self.state_before_deletion),
                self.has_unproven_tags,
                self.min_decryption_version != 1,
            ]
        if any(newer) or (version == 1 and self.service_account_id is not None):
            raise IntegrityFailed("A key has values that its MAC does not cover. Restore it from a backup.")
        if version >= 3:  # noqa: PLR2004
            third = self._third_mac_fields()
            return third if version == 3 else (*third, str(self.origin))  # noqa: PLR2004
        first = self._first_mac_fields()
        return first if version == 1 else (*first, self.tags, self.service_account_id)

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
