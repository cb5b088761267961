from django.urls import path

from notifications.views import notifications, webhooks

urlpatterns = [
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
    path("webhooks/<uuid:webhook_id>/secret", webhooks.RotateSecretView.as_view(), name="webhook-secret"),
    path("webhooks/<uuid:webhook_id>/test", webhooks.TestWebhookView.as_view(), name="webhook-test-page"),
    path("webhooks/<uuid:webhook_id>/delete", webhooks.DeleteWebhookView.as_view(), name="webhook-delete"),
]
