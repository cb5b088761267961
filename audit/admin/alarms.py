"""Alarms of the log, read-only: they are resolved in the console, through the API, or with a command."""

from collections.abc import Sequence
from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.utils.safestring import SafeString

from audit.admin.list_filters import AlarmKindFilter
from audit.admin.logs import ShownAdmin, badge_of
from audit.models import AuditAlarm, Integrity
from audit.models.alarms import AuditAlarmQuerySet


@admin.register(AuditAlarm)
class AuditAlarmAdmin(ShownAdmin):
    console_page = "alarms"
    date_hierarchy = "raised_at"
    list_display = (
        "kind",
        "integrity_badge",
        "log_id",
        "raised_at",
        "open_now",
        "resolved_at",
        "resolved_by_name",
    )
    list_filter = (("kind", AlarmKindFilter),)
    fields = (
        "id",
        "integrity_badge",
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
    readonly_fields = ("integrity_badge", "open_now")
    search_fields = ("=kind", "=event_id")
    ordering = ("-raised_at", "id")

    def show(self, rows: QuerySet[AuditAlarm]) -> Sequence[AuditAlarm]:
        return cast("AuditAlarmQuerySet", rows).found()

    def find(self, rows: QuerySet[AuditAlarm], key: Any) -> AuditAlarm | None:
        return cast("AuditAlarmQuerySet", rows).with_id(key)

    @admin.display(description="integrity")
    def integrity_badge(self, row: AuditAlarm) -> SafeString:  # type: ignore[override]  # another model
        return badge_of(Integrity.ALTERED if row.is_altered else Integrity.VERIFIED)

    @admin.display(boolean=True, description="open")
    def open_now(self, alarm: AuditAlarm) -> bool:
        return alarm.is_open
