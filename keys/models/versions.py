"""The versions of keys, which hold their material."""

import uuid
from hashlib import sha256
from typing import ClassVar

from django.db import models
from django.db.models import Q

from kernel.trust.kek_records import HOLDS_KEY
from kernel.trust.row_mac import IntegrityFailed, MacField, MacProtectedRow
from kernel.trust.wrapped_row import Binding, WrappedRow
from keys import wrapped_material
from keys.lifecycle import VersionState


class KeyVersion(MacProtectedRow, WrappedRow):
    """One generation of a key's wrapped material. ``Key.primary_version`` determines which one protects.

    ``wrapped`` is empty after the destruction, and from the beginning (with an empty ``kek_id``) if only the public key
    was imported. ``public_key`` remains, so that others can still verify its signatures.
    """

    MAC_LABEL: ClassVar[str] = "key_versions"
    MAC_VERSION: ClassVar[int] = 3
    OLDER_MAC_VERSIONS: ClassVar[frozenset[int]] = frozenset({1, 2})
    LOCKED_BY: ClassVar[tuple[str, ...]] = ("key",)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.ForeignKey("keys.Key", on_delete=models.PROTECT, related_name="versions")
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
    public_key = models.BinaryField(null=True, help_text="of an asymmetric key: SubjectPublicKeyInfo, DER")
    created_at = models.DateTimeField()
    destruction_at = models.DateTimeField(null=True)

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
            models.CheckConstraint(
                condition=Q(state=VersionState.SCHEDULED.value, destruction_at__isnull=False)
                | Q(state=VersionState.DESTROYED.value)
                | ~Q(state__in=[VersionState.SCHEDULED.value, VersionState.DESTROYED.value])
                & Q(destruction_at=None),
                name="key_versions_destruction_has_a_time",
            ),
        ]
        indexes = [
            # The system page counts the versions under each key-encryption key.
            models.Index(fields=["kek_id"], name="idx_key_versions_kek", condition=HOLDS_KEY),
            models.Index(
                fields=["uses_reserved"], name="idx_key_versions_uses", condition=Q(is_primary=True)
            ),
            models.Index(
                fields=["destruction_at"],
                name="idx_key_versions_destruction",
                condition=Q(state=VersionState.SCHEDULED.value),
            ),
        ]

    def __str__(self) -> str:
        return f"version {self.version}"

    @property
    def state_word(self) -> str:
        """The word for people."""
        return VersionState(self.state).word

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key in lowercase hexadecimal digits; "" if the key has none."""
        return "" if self.public_key is None else sha256(bytes(self.public_key)).hexdigest()

    @property
    def binding(self) -> Binding:
        key = self.key
        return wrapped_material.binding_of(key.id, self.version, key.algorithm, key.purpose)

    def mac_fields(self) -> tuple[MacField, ...]:
        return (*self._second_mac_fields(), None if self.public_key is None else bytes(self.public_key))

    def older_mac_fields(self, version: int) -> tuple[MacField, ...]:
        if self.public_key is not None or (version == 1 and self.destruction_at is not None):
            raise IntegrityFailed(
                "A version has values that its MAC does not cover. Restore it from a backup."
            )
        return self._first_mac_fields() if version == 1 else self._second_mac_fields()

    def _second_mac_fields(self) -> tuple[MacField, ...]:
        return (*self._first_mac_fields(), self.destruction_at, self.created_at)

    def _first_mac_fields(self) -> tuple[MacField, ...]:
        return (
            self.key_id,
            self.version,
            str(self.state),
            self.kek_id,
            sha256(bytes(self.wrapped)).digest(),
        )
