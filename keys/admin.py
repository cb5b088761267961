"""Read-only key tables for auditors. Every change goes through ``keys.services``."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from kernel.clock import process_now
from kernel.read_only_admin import ReadOnlyModelAdmin
from keys.models import EncryptionPolicy, Key, KeyGrant, KeyRotation, KeyVersion


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
    search_fields = ("name", "description", "id")
    date_hierarchy = "created_at"
    ordering = ("name",)
    exclude = ("row_mac", "searched_text")

    def status(self, key: Key) -> str:
        return key.lifecycle_state(process_now()).status


@admin.register(KeyVersion)
class KeyVersionAdmin(ReadOnlyModelAdmin):
    list_display = ("key", "version", "state", "is_primary", "kek_id", "uses_reserved", "created_at")
    list_filter = ("state", "is_primary")
    list_select_related = ("key",)
    search_fields = ("key__name", "key__id")
    date_hierarchy = "created_at"
    ordering = ("key__name", "-version")
    exclude = ("row_mac", "wrapped")


@admin.register(KeyRotation)
class KeyRotationAdmin(ReadOnlyModelAdmin):
    list_display = ("old_key", "old_version", "new_version", "rotation_reason", "rotated_by", "rotated_at")
    list_filter = ("status",)
    list_select_related = ("old_key", "rotated_by")
    search_fields = ("old_key__name", "old_key__id", "rotation_reason")
    date_hierarchy = "rotated_at"
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
    search_fields = ("name", "id")
    date_hierarchy = "created_at"
    ordering = ("name",)
    exclude = ("row_mac",)


@admin.register(KeyGrant)
class KeyGrantAdmin(ReadOnlyModelAdmin):
    list_display = ("key", "tag", "principal_type", "principal_id", "created_at", "created_by", "expires_at")
    list_filter = ("principal_type",)
    list_select_related = ("key", "created_by")
    search_fields = ("key__name", "key__id", "tag", "principal_id")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    exclude = ("row_mac",)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Grants require the same permission as in the API and on pages."""
        may_view = super().has_view_permission(request, obj)
        return may_view and request.user.has_module_perms("accounts")  # that of users.read
