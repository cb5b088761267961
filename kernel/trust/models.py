"""The root of trust: the identity of this installation, its key-encryption keys, and its own keys."""

import uuid

from django.db import models

from kernel.trust.wrapped_row import SYSTEM_LABEL, Binding, WrappedRow


class Instance(models.Model):
    """A single row: the identity that every wrapped key is bound to."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    singleton = models.BooleanField(default=True, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "instance"
        constraints = [models.CheckConstraint(condition=models.Q(singleton=True), name="instance_is_single")]

    def __str__(self) -> str:
        return str(self.id)


class KeyEncryptionKey(models.Model):
    """A key-encryption key that the database relies on. Its bytes stay with the provider, never in this table.

    ``sentinel`` is a known value wrapped under it. It detects a wrong or missing key, which prevents the start.
    Nothing in the database is wrapped under a key with ``retired_at``, so only older backups need it. Its sentinel
    stays, to check copies.
    """

    id = models.CharField(primary_key=True, max_length=16)
    is_primary = models.BooleanField(default=False)
    sentinel = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "key_encryption_keys"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(is_primary=False) | models.Q(retired_at__isnull=True),
                name="primary_kek_is_not_retired",
            ),
            models.UniqueConstraint(
                fields=["is_primary"], condition=models.Q(is_primary=True), name="one_primary_kek"
            ),
        ]

    def __str__(self) -> str:
        return self.id


class StateHead(models.Model):
    """The head of a row of the state (``kernel.trust.row_heads``)."""

    id = models.TextField(primary_key=True, editable=False, help_text="label of the table, and primary key")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the contents of the row, in hexadecimal")

    class Meta:
        db_table = "state_heads"

    def __str__(self) -> str:
        return self.id


class SystemKey(WrappedRow):
    """A wrapped key of the installation itself, out of reach of ``/sign`` and the keyring."""

    kid = models.CharField(primary_key=True, max_length=16)
    purpose = models.CharField(max_length=20)
    is_primary = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "system_keys"
        constraints = [
            models.UniqueConstraint(
                fields=["purpose"], condition=models.Q(is_primary=True), name="one_primary_system_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.kid}"

    @property
    def binding(self) -> Binding:
        return Binding(SYSTEM_LABEL, [self.purpose.encode(), self.kid.encode()])
