"""The columns that only transit keys have."""

from typing import TYPE_CHECKING, ClassVar

from django.db import models

from kernel.trust.row_mac import IntegrityFailed, MacField, MacProtectedRow

if TYPE_CHECKING:
    from keys.models.keys import Key

MAX_MOUNT = MAX_NAME = MAX_MOUNT_DESCRIPTION = 255  # characters
DEFAULT_MOUNT = "transit"  # exists without a row


class TransitKey(MacProtectedRow):
    """The mount, name and settings by which clients of Vault and OpenBao use a key.

    ``name``: case-sensitive, unlike the name of the key. ``min_encryption_version``: the earliest that a request to
    encrypt may name, 0 for the minimum decryption version.
    """

    MAC_LABEL: ClassVar[str] = "transit_keys"

    key = models.OneToOneField("keys.Key", primary_key=True, on_delete=models.PROTECT, related_name="transit")
    mount = models.CharField(max_length=MAX_MOUNT)
    name = models.CharField(max_length=MAX_NAME)
    min_encryption_version = models.PositiveIntegerField(default=0)
    allow_plaintext_backup = models.BooleanField(default=False)

    class Meta:
        db_table = "transit_keys"
        constraints = [models.UniqueConstraint(fields=["mount", "name"], name="transit_keys_one_name")]

    def __str__(self) -> str:
        return f"{self.mount}/{self.name}"

    def mac_fields(self) -> tuple[MacField, ...]:
        return (self.key_id, self.mount, self.name, self.min_encryption_version, self.allow_plaintext_backup)


class TransitMount(MacProtectedRow):
    """A path below which clients of Vault and OpenBao have transit keys."""

    MAC_LABEL: ClassVar[str] = "transit_mounts"

    path = models.CharField(primary_key=True, max_length=MAX_MOUNT)
    description = models.CharField(max_length=MAX_MOUNT_DESCRIPTION, blank=True)

    class Meta:
        db_table = "transit_mounts"

    def __str__(self) -> str:
        return self.path

    def mac_fields(self) -> tuple[MacField, ...]:
        return (self.path, self.description)


def lock_existing_mount(path: str) -> bool:
    """Whether the mount exists. It then exists until the transaction ends."""
    return path == DEFAULT_MOUNT or TransitMount.objects.select_for_update().filter(pk=path).exists()


def transit_name_of(key: "Key") -> str:
    """The mount and name of a transit key, otherwise "". Raises IntegrityFailed, also without the row."""
    if key.purpose != "transit":
        return ""
    row = getattr(key, "transit", None)
    if row is None:
        raise IntegrityFailed("A row of transit_keys is missing. Restore the database from a backup.")
    return str(row.check_mac())


def entered_name(key: "Key") -> str:
    """The name that people enter: the mount and name of a transit key. For display only: its MAC is not checked."""
    row = getattr(key, "transit", None) if key.purpose == "transit" else None
    return key.name if row is None else str(row)
