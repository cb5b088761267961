"""Read-only admin of the root of trust and the outbox for auditors: names and dates, no wrapped bytes."""

from django.contrib import admin
from django.urls import reverse

from kernel.databases.releases import AppliedRelease
from kernel.idempotency.models import CompletedRequest
from kernel.models import KekRewrap
from kernel.outbox.models import Notification
from kernel.read_only_admin import ReadOnlyModelAdmin
from kernel.trust.models import Instance, KeyEncryptionKey, SystemKey


@admin.register(Instance)
class InstanceAdmin(ReadOnlyModelAdmin):
    fields = ("id", "created_at")
    list_display = ("id", "created_at")


@admin.register(KeyEncryptionKey)
class KeyEncryptionKeyAdmin(ReadOnlyModelAdmin):
    fields = ("id", "is_primary", "created_at", "retired_at")
    list_display = ("id", "is_primary", "created_at", "retired_at")


@admin.register(AppliedRelease)
class AppliedReleaseAdmin(ReadOnlyModelAdmin):
    fields = ("version", "applied_at")
    list_display = ("version", "applied_at")


@admin.register(CompletedRequest)
class CompletedRequestAdmin(ReadOnlyModelAdmin):
    fields = ("id", "object_id", "expires_at")
    list_display = ("id", "object_id", "expires_at")


@admin.register(KekRewrap)
class KekRewrapAdmin(ReadOnlyModelAdmin):
    console_page = "jobs"
    list_display = ("created_at", "created_by_name", "status", "done", "total", "altered", "kek_id")
    list_filter = ("status",)
    exclude = ("actor", "attempt", "lease_holder", "lease_until")
    ordering = ("-created_at",)

    def view_on_site(self, rewrap: KekRewrap) -> str:
        return reverse("rewrap", args=[rewrap.pk])


@admin.register(Notification)
class NotificationAdmin(ReadOnlyModelAdmin):
    fields = ("id", "topic", "object_type", "object_id", "object_name", "created_at", "distributed_at")
    list_display = ("created_at", "topic", "object_type", "object_name")
    console_page = "notifications"


@admin.register(SystemKey)
class SystemKeyAdmin(ReadOnlyModelAdmin):
    fields = ("kid", "purpose", "is_primary", "kek_id", "created_at")
    list_display = ("kid", "purpose", "is_primary", "kek_id", "created_at")
    list_filter = ("purpose",)
