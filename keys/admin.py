"""Key tables for auditors, read-only."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from kernel.clock import process_now
from kernel.read_only_admin import ReadOnlyModelAdmin, read_only
from keys.models import (
    EncryptionPolicy,
    ImportParameters,
    Key,
    KeyGrant,
    KeyRotation,
    KeyRotationJob,
    KeyVersion,
    TransitKey,
    TransitMount,
)


@admin.register(Key)
class KeyAdmin(ReadOnlyModelAdmin):
    console_page = "keys"
    list_display = (
        "name",
        "algorithm",
        "status",
        "primary_version",
        "created_at",
        "created_by",
        "expires_at",
    )
    list_filter = ("algorithm", "state", "is_default")
    ordering = ("name",)
    exclude = ("searched_text",)

    def status(self, key: Key) -> str:
        return key.lifecycle_state(process_now()).status


read_only(
    KeyVersion,
    "key version state is_primary kek_id uses_reserved created_at",
    list_filter="state is_primary",
    ordering="key__name -version",
)
read_only(
    TransitKey,
    "mount name key min_encryption_version allow_plaintext_backup",
    ordering="mount name",
)
read_only(TransitMount, "path description", ordering="path")
read_only(
    KeyRotation,
    "old_key old_version new_version status rotation_reason rotated_by rotated_at",
    list_filter="status",
    ordering="-rotated_at",
)
read_only(
    EncryptionPolicy,
    "name algorithm key_lifetime_days minimum_deletion_days is_active created_at",
    list_filter="algorithm is_active",
    ordering="name",
)
read_only(
    KeyRotationJob,
    "id selection status done total reason created_by_name created_at",
    list_filter="status",
    ordering="-created_at",
    page="jobs",
)


@admin.register(KeyGrant)
class KeyGrantAdmin(ReadOnlyModelAdmin):
    list_display = ("key", "tag", "principal_type", "principal_id", "created_at", "created_by", "expires_at")
    list_filter = ("principal_type",)
    ordering = ("-created_at",)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Grants require the same permission as in the API and on pages."""
        may_view = super().has_view_permission(request, obj)
        return may_view and request.user.has_module_perms("accounts")  # that of users.read


read_only(
    ImportParameters, "id created_by service_account_id kek_id created_at expires_at", ordering="-created_at"
)
