from django.urls import path

from notifications import api

urlpatterns = [
    path("notifications", api.NotificationListView.as_view(), name="api-notifications"),
    path(
        "notifications/deliveries/<uuid:delivery_id>/retry",
        api.RetryDeliveryView.as_view(),
        name="api-delivery-retry",
    ),
    path("webhooks", api.WebhookListView.as_view(), name="webhooks"),
    path("webhooks/<uuid:webhook_id>", api.WebhookView.as_view(), name="webhook"),
    path(
        "webhooks/<uuid:webhook_id>/rotate-secret",
        api.RotateSecretView.as_view(),
        name="webhook-rotate-secret",
    ),
    path("webhooks/<uuid:webhook_id>/test", api.TestWebhookView.as_view(), name="webhook-test"),
    path(
        "webhooks/<uuid:webhook_id>/deliveries",
        api.WebhookDeliveriesView.as_view(),
        name="webhook-deliveries",
    ),
]
