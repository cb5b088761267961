"""The keys under which callers wrap material that they import."""

import uuid
from hashlib import sha256
from typing import ClassVar

from django.conf import settings
from django.db import models

from kernel.trust.row_mac import MacField, MacProtectedRow
from kernel.trust.wrapped_row import SYSTEM_LABEL, Binding, WrappedRow


class ImportParameters(MacProtectedRow, WrappedRow):
    """The private keys of a recipient (``kernel.crypto.transport.key_transport``). Only their creator imports with them.

    They expire, and are deleted afterwards: material that was wrapped for them can then never be opened again.
    """

    MAC_LABEL: ClassVar[str] = "key_import_parameters"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    service_account_id = models.UUIDField(null=True, editable=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "key_import_parameters"
        verbose_name_plural = "import parameters"

    def __str__(self) -> str:
        return str(self.id)

    @property
    def binding(self) -> Binding:
        return Binding(SYSTEM_LABEL, [b"key-import", self.id.bytes])

    def mac_fields(self) -> tuple[MacField, ...]:
        return (
            self.id,
            self.created_by_id,
            self.service_account_id,
            self.created_at,
            self.expires_at,
            self.kek_id,
            sha256(bytes(self.wrapped)).digest(),
        )
