"""Names of the audit actions for notifications and webhooks."""

from typing import Final

from kernel.actions import Actions

LABELS: Final = Actions()

NOTIFICATION_LISTED: Final = LABELS.add("notifications.notification.listed", "List notifications")
EMAIL_TESTED: Final = LABELS.add("notifications.email.tested", "Send test e-mail")

WEBHOOK_LISTED: Final = LABELS.add("notifications.webhook.listed", "List webhooks")
WEBHOOK_READ: Final = LABELS.add("notifications.webhook.read", "View webhook")
WEBHOOK_CREATED: Final = LABELS.add_guarded("notifications.webhook.created", "Create webhook")
WEBHOOK_CHANGED: Final = LABELS.add_guarded("notifications.webhook.changed", "Change webhook")
WEBHOOK_DELETED: Final = LABELS.add_guarded("notifications.webhook.deleted", "Delete webhook")
WEBHOOK_TESTED: Final = LABELS.add("notifications.webhook.tested", "Test webhook")
WEBHOOK_SECRET_ROTATED: Final = LABELS.add_guarded(
    "notifications.webhook_secret.rotated", "Rotate webhook secret"
)

DELIVERY_LISTED: Final = LABELS.add("notifications.delivery.listed", "List deliveries")
DELIVERY_RETRIED: Final = LABELS.add("notifications.delivery.retried", "Retry delivery")
