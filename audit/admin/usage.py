"""Usage totals of keys and days, and last uses of service tokens, in Django's admin."""

from django.contrib import admin

from audit.admin.logs import LogAdmin
from audit.models import TokenLastUse, UsageDay, UsageRollup


@admin.register(UsageRollup)
class UsageRollupAdmin(LogAdmin):
    console_page = "usage"
    date_hierarchy = "hour"
    list_display = (
        "hour",
        "key_id",
        "version",
        "principal",
        "principal_type",
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


@admin.register(UsageDay)
class UsageDayAdmin(LogAdmin):
    date_hierarchy = "day"
    list_display = ("day", "kind", "subject", "allowed", "denied", "failed")
    list_filter = ("kind",)
    ordering = ("-day", "-id")
    search_fields = ("subject__exact",)
    search_help_text = "Key ID or principal"


@admin.register(TokenLastUse)
class TokenLastUseAdmin(LogAdmin):
    list_display = ("token_id", "last_at", "client_ip")
    ordering = ("-last_at", "token_id")
    search_fields = ("token_id__exact",)
    search_help_text = "Token ID"
