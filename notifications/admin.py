"""Read-only tables of webhooks and deliveries, without URLs, whose paths may be secret, and wrapped secrets."""

from django.contrib import admin

from kernel.read_only_admin import ReadOnlyModelAdmin
from notifications.models import Delivery, Webhook


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyModelAdmin):
    fields = ("id", "name", "origin", "topics", "is_active", "kek_id", "created_at")
    list_display = ("name", "origin", "is_active", "created_at")
    console_page = "webhooks-page"


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyModelAdmin):
    exclude = ("email",)
    list_display = ("created_at", "notification", "target", "status", "attempts", "error")
    list_filter = ("status",)
    list_select_related = ("notification", "webhook")
    console_page = "notifications"
