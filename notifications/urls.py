from django.urls import path

from kernel.pages.operations import operation_paths
from notifications import api as rest
from notifications.views import notifications, webhooks

api = [
    path("notifications", rest.NotificationListView.as_view(), name="api-notifications"),
    path(
        "notifications/deliveries/<uuid:delivery_id>/retry",
        rest.RetryDeliveryView.as_view(),
        name="api-delivery-retry",
    ),
    path("webhooks", rest.WebhookListView.as_view(), name="webhooks"),
    path("webhooks/<uuid:webhook_id>", rest.WebhookView.as_view(), name="webhook"),
    path(
        "webhooks/<uuid:webhook_id>/rotate-secret",
        rest.RotateSecretView.as_view(),
        name="webhook-rotate-secret",
    ),
    path("webhooks/<uuid:webhook_id>/test", rest.TestWebhookView.as_view(), name="webhook-test"),
    path(
        "webhooks/<uuid:webhook_id>/deliveries",
        rest.WebhookDeliveriesView.as_view(),
        name="webhook-deliveries",
    ),
]

pages = [
    path("notifications/", notifications.NotificationListView.as_view(), name="notifications"),
    path("notifications/test-email", notifications.TestEmailView.as_view(), name="email-test"),
    path(
        "notifications/deliveries/<uuid:delivery_id>/retry",
        notifications.RetryDeliveryView.as_view(),
        name="delivery-retry",
    ),
    path("webhooks/", webhooks.WebhookListView.as_view(), name="webhooks-page"),
    path("webhooks/new", webhooks.NewWebhookView.as_view(), name="webhook-new"),
    path("webhooks/<uuid:webhook_id>/", webhooks.WebhookView.as_view(), name="webhook-page"),
    path("webhooks/<uuid:webhook_id>/edit", webhooks.EditWebhookView.as_view(), name="webhook-edit"),
    path("webhooks/<uuid:webhook_id>/test", webhooks.TestWebhookView.as_view(), name="webhook-test-page"),
    *operation_paths("webhooks/<uuid:webhook_id>/", webhooks.WEBHOOK, webhooks.WEBHOOK_OPERATIONS),
]
