"""Read-only admin of the jobs of this app."""

from django.contrib import admin
from django.urls import reverse

from crypto_ops.models import FileJob, Reencryption
from kernel.read_only_admin import ReadOnlyModelAdmin


@admin.register(Reencryption)
class ReencryptionAdmin(ReadOnlyModelAdmin):
    console_page = "jobs"
    list_display = (
        "key",
        "target_key",
        "status",
        "done",
        "total",
        "refused",
        "created_by_name",
        "created_at",
    )
    list_filter = ("status",)
    list_select_related = ("key", "target_key")
    ordering = ("-created_at",)

    def view_on_site(self, job: Reencryption) -> str:
        return reverse("reencryption-job", args=[job.pk])


@admin.register(FileJob)
class FileJobAdmin(ReadOnlyModelAdmin):
    console_page = "jobs"
    list_display = ("operation", "key", "status", "upload_size", "size", "created_by_name", "created_at")
    list_filter = ("status", "operation")
    list_select_related = ("key",)
    ordering = ("-created_at",)

    def view_on_site(self, job: FileJob) -> str:
        return reverse("file-job", args=[job.pk])
