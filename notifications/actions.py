"""Names of the audit actions for notifications and webhooks."""

from collections.abc import Mapping
from typing import Final

NOTIFICATION_LISTED: Final = "notifications.notification.listed"
EMAIL_TESTED: Final = "notifications.email.tested"

WEBHOOK_LISTED: Final = "notifications.webhook.listed"
WEBHOOK_READ: Final = "notifications.webhook.read"
WEBHOOK_CREATED: Final = "notifications.webhook.created"
WEBHOOK_CHANGED: Final = "notifications.webhook.changed"
WEBHOOK_DELETED: Final = "notifications.webhook.deleted"
WEBHOOK_TESTED: Final = "notifications.webhook.tested"
WEBHOOK_SECRET_ROTATED: Final = "notifications.webhook_secret.rotated"  # noqa: S105 - an audit action name

DELIVERY_LISTED: Final = "notifications.delivery.listed"
DELIVERY_RETRIED: Final = "notifications.delivery.retried"

LABELS: Final[Mapping[str, str]] = {
    NOTIFICATION_LISTED: "List notifications",
    EMAIL_TESTED: "Send test e-mail",
    WEBHOOK_LISTED: "List webhooks",
    WEBHOOK_READ: "View webhook",
    WEBHOOK_CREATED: "Create webhook",
    WEBHOOK_CHANGED: "Change webhook",
    WEBHOOK_DELETED: "Delete webhook",
    WEBHOOK_TESTED: "Test webhook",
    WEBHOOK_SECRET_ROTATED: "Rotate webhook secret",
    DELIVERY_LISTED: "List deliveries",
    DELIVERY_RETRIED: "Retry delivery",
}
