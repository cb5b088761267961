"""Read-only tables of webhooks and deliveries, without URLs, whose paths may be secret, and wrapped secrets."""

from kernel.read_only_admin import read_only
from notifications.models import Delivery, Webhook

read_only(
    Webhook,
    "name origin is_active created_at",
    fields="id name origin topics is_active kek_id created_at",
    page="webhooks-page",
)
read_only(
    Delivery,
    "created_at notification target status attempts error",
    list_filter="status",
    exclude="email",
    list_select_related="notification webhook",
    page="notifications",
)
