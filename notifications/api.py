"""REST interface of webhooks, notifications and deliveries."""

from http import HTTPStatus
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.principals import Principal
from kernel.rest.idempotency import idempotent
from kernel.rest.paging import PageQuery, page_serializer
from kernel.rest.preconditions import ETAG, IF_MATCH, etag_of, if_match
from kernel.rest.schema import LOCATION
from kernel.rest.views import ApiView
from kernel.rules import Rule
from notifications import actions
from notifications.models import MANAGE, READ, Webhook
from notifications.serializers import (
    CreatedWebhookSerializer,
    DeliverySerializer,
    NewWebhookSerializer,
    NotificationQuery,
    NotificationSerializer,
    WebhookChangesSerializer,
    WebhookSecretSerializer,
    WebhookSerializer,
)
from notifications.services import listing, testing, webhooks


class WebhookListView(ApiView[Principal]):
    rules = {"GET": Rule(MANAGE, actions.WEBHOOK_LISTED), "POST": Rule(MANAGE, actions.WEBHOOK_CREATED)}

    @extend_schema(
        operation_id="webhooks_list", parameters=[PageQuery], responses=page_serializer(WebhookSerializer)
    )
    def get(self, _request: Request) -> Response:
        """The webhooks, by name."""
        self.read_query(PageQuery)
        return self.page(webhooks.list_webhooks(principal=self.principal), WebhookSerializer)

    @extend_schema(
        request=NewWebhookSerializer, parameters=[LOCATION], responses={201: CreatedWebhookSerializer}
    )
    @idempotent(response_is_secret=True)
    def post(self, _request: Request) -> Response:
        """Create a webhook. Only this response contains its secret. Requires a recent sign-in."""
        body = self.read(NewWebhookSerializer)
        created = webhooks.create_webhook(principal=self.principal, **body)
        location = reverse("webhook", kwargs={"webhook_id": created.webhook.id})
        return Response(
            {**WebhookSerializer(created.webhook).data, "secret": created.secret},
            status=HTTPStatus.CREATED,
            headers={"Location": location},
        )


class _OneWebhookView(ApiView[Principal]):
    """Base class of views whose URL names a webhook."""

    object_reference = ("webhook", "webhook_id")

    def require_visible(self) -> None:
        webhooks.get_webhook(principal=self.principal, webhook_id=self.kwargs["webhook_id"])


class WebhookView(_OneWebhookView):
    rules = {
        "GET": Rule(MANAGE, actions.WEBHOOK_READ),
        "PATCH": Rule(MANAGE, actions.WEBHOOK_CHANGED),
        "DELETE": Rule(MANAGE, actions.WEBHOOK_DELETED),
    }

    @extend_schema(parameters=[ETAG], responses=WebhookSerializer)
    def get(self, _request: Request, webhook_id: UUID) -> Response:
        """One webhook."""
        return _with_etag(webhooks.get_webhook(principal=self.principal, webhook_id=webhook_id))

    @extend_schema(request=WebhookChangesSerializer, parameters=[IF_MATCH, ETAG], responses=WebhookSerializer)
    def patch(self, request: Request, webhook_id: UUID) -> Response:
        """Change a webhook. If it becomes inactive, its waiting deliveries fail. Requires a recent sign-in."""
        webhook = webhooks.update_webhook(
            principal=self.principal,
            webhook_id=webhook_id,
            changes=self.read(WebhookChangesSerializer),  # type: ignore[arg-type]  # its fields are these
            check=if_match(request),
        )
        return _with_etag(webhook)

    @extend_schema(responses={204: None})
    def delete(self, _request: Request, webhook_id: UUID) -> Response:
        """Delete a webhook with its deliveries. Requires a recent sign-in."""
        webhooks.delete_webhook(principal=self.principal, webhook_id=webhook_id)
        return Response(status=HTTPStatus.NO_CONTENT)


class RotateSecretView(_OneWebhookView):
    """A new secret, which replaces the old one at once. Requires a recent sign-in."""

    rules = {"POST": Rule(MANAGE, actions.WEBHOOK_SECRET_ROTATED)}

    @extend_schema(request=None, responses=WebhookSecretSerializer)
    @idempotent(response_is_secret=True)
    def post(self, _request: Request, webhook_id: UUID) -> Response:
        secret = webhooks.rotate_secret(principal=self.principal, webhook_id=webhook_id)
        return Response({"id": str(webhook_id), "secret": secret})


class TestWebhookView(_OneWebhookView):
    """Queue a test. The delivery shows its result."""

    rules = {"POST": Rule(MANAGE, actions.WEBHOOK_TESTED)}

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @idempotent()
    def post(self, _request: Request, webhook_id: UUID) -> Response:
        delivery = testing.send_test(principal=self.principal, webhook_id=webhook_id)
        return Response(DeliverySerializer(delivery).data, status=HTTPStatus.ACCEPTED)


class WebhookDeliveriesView(_OneWebhookView):
    rules = {"GET": Rule(MANAGE, actions.DELIVERY_LISTED)}

    @extend_schema(
        operation_id="webhook_deliveries_list",
        parameters=[PageQuery],
        responses=page_serializer(DeliverySerializer),
    )
    def get(self, _request: Request, webhook_id: UUID) -> Response:
        """The deliveries of a webhook, newest first."""
        self.read_query(PageQuery)
        found = listing.list_deliveries(principal=self.principal, webhook_id=webhook_id)
        return self.page(found, DeliverySerializer)


class NotificationListView(ApiView[Principal]):
    rules = {"GET": Rule(READ, actions.NOTIFICATION_LISTED)}

    @extend_schema(
        operation_id="notifications_list",
        parameters=[NotificationQuery],
        responses=page_serializer(NotificationSerializer),
    )
    def get(self, _request: Request) -> Response:
        """The notifications with their deliveries, newest first."""
        topic = self.read_query(NotificationQuery).get("topic", "")
        found = listing.list_notifications(principal=self.principal, topic=topic)
        return self.page(found, NotificationSerializer)


class RetryDeliveryView(ApiView[Principal]):
    """Send a failed or waiting delivery as soon as possible, by webhook or e-mail."""

    rules = {"POST": Rule(MANAGE, actions.DELIVERY_RETRIED)}
    object_reference = ("delivery", "delivery_id")

    @extend_schema(request=None, responses=DeliverySerializer)
    def post(self, _request: Request, delivery_id: UUID) -> Response:
        delivery = testing.retry_delivery(principal=self.principal, delivery_id=delivery_id)
        return Response(DeliverySerializer(delivery).data)


def _with_etag(webhook: Webhook) -> Response:
    return Response(WebhookSerializer(webhook).data, headers={"ETag": etag_of(webhook.row_seq)})
