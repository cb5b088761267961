"""Alarms of the log, read-only: they are resolved in the console, through the API, or with a command."""

from django.contrib import admin

from audit.models import AuditAlarm
from kernel.read_only_admin import ReadOnlyModelAdmin


@admin.register(AuditAlarm)
class AuditAlarmAdmin(ReadOnlyModelAdmin):
    date_hierarchy = "raised_at"
    list_display = ("kind", "log_id", "raised_at", "open_now", "resolved_at", "resolved_by_name")
    list_filter = ("kind",)
    fields = (
        "id",
        "kind",
        "log_id",
        "writer",
        "expected",
        "found",
        "count",
        "evidence",
        "event_id",
        "raised_at",
        "open_now",
        "resolved_at",
        "resolved_by",
        "resolved_by_name",
        "reason",
    )
    readonly_fields = ("open_now",)
    search_fields = ("=kind", "=event_id")
    ordering = ("-raised_at", "id")

    @admin.display(boolean=True, description="open")
    def open_now(self, alarm: AuditAlarm) -> bool:
        return alarm.is_open
