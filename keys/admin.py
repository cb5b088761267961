"""Key tables for auditors, read-only."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from kernel.clock import process_now
from kernel.read_only_admin import ReadOnlyModelAdmin
from keys.models import (
    EncryptionPolicy,
    ImportParameters,
    Key,
    KeyGrant,
    KeyRotation,
    KeyRotationJob,
    KeyVersion,
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
    list_select_related = ("created_by",)
    ordering = ("name",)
    exclude = ("searched_text",)

    def status(self, key: Key) -> str:
        return key.lifecycle_state(process_now()).status


@admin.register(KeyVersion)
class KeyVersionAdmin(ReadOnlyModelAdmin):
    list_display = ("key", "version", "state", "is_primary", "kek_id", "uses_reserved", "created_at")
    list_filter = ("state", "is_primary")
    list_select_related = ("key",)
    ordering = ("key__name", "-version")


@admin.register(KeyRotation)
class KeyRotationAdmin(ReadOnlyModelAdmin):
    list_display = (
        "old_key",
        "old_version",
        "new_version",
        "status",
        "rotation_reason",
        "rotated_by",
        "rotated_at",
    )
    list_filter = ("status",)
    list_select_related = ("old_key", "rotated_by")
    ordering = ("-rotated_at",)


@admin.register(EncryptionPolicy)
class EncryptionPolicyAdmin(ReadOnlyModelAdmin):
    list_display = (
        "name",
        "algorithm",
        "key_lifetime_days",
        "minimum_deletion_days",
        "is_active",
        "created_at",
    )
    list_filter = ("algorithm", "is_active")
    ordering = ("name",)


@admin.register(KeyRotationJob)
class KeyRotationJobAdmin(ReadOnlyModelAdmin):
    console_page = "jobs"
    list_display = ("id", "selection", "status", "done", "total", "reason", "created_by_name", "created_at")
    list_filter = ("status",)
    ordering = ("-created_at",)


@admin.register(KeyGrant)
class KeyGrantAdmin(ReadOnlyModelAdmin):
    list_display = ("key", "tag", "principal_type", "principal_id", "created_at", "created_by", "expires_at")
    list_filter = ("principal_type",)
    list_select_related = ("key", "created_by")
    ordering = ("-created_at",)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Grants require the same permission as in the API and on pages."""
        may_view = super().has_view_permission(request, obj)
        return may_view and request.user.has_module_perms("accounts")  # that of users.read


@admin.register(ImportParameters)
class ImportParametersAdmin(ReadOnlyModelAdmin):
    list_display = ("id", "created_by", "service_account_id", "kek_id", "created_at", "expires_at")
    list_select_related = ("created_by",)
    ordering = ("-created_at",)
