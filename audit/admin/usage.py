"""Usage totals of keys in Django's admin."""

from django.contrib import admin

from audit.admin.logs import LogAdmin
from audit.models import UsageRollup


@admin.register(UsageRollup)
class UsageRollupAdmin(LogAdmin):
    console_page = "usage"
    date_hierarchy = "hour"
    list_display = (
        "hour",
        "key_id",
        "version",
        "principal",
        "operation",
        "outcome",
        "count",
        "size",
        "last_at",
    )
    list_filter = ("outcome",)
    ordering = ("-hour", "-id")
    search_fields = ("key_id__exact",)
    search_help_text = "Key ID"
