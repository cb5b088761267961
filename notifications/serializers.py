"""REST serializers of webhooks, notifications and deliveries."""

from typing import Any

from rest_framework import serializers

from kernel.http.targets import MAX_URL
from kernel.outbox.models import Notification
from kernel.outbox.topics import Severity
from kernel.rest.fields import ChoiceField, LabelField, StrictSerializer, TimestampField
from kernel.rest.paging import PageQuery
from notifications.models import LONGEST_NAME, Delivery, DeliveryStatus, Webhook

_MAX_TOPICS = 50


def _topics(**options: Any) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(max_length=64),
        max_length=_MAX_TOPICS,
        help_text="such as key.expiring",
        **options,
    )


def _url(**options: Any) -> serializers.CharField:
    return serializers.CharField(max_length=MAX_URL, trim_whitespace=False, help_text="https", **options)


class NewWebhookSerializer(StrictSerializer):
    name = LabelField(max_length=LONGEST_NAME)
    url = _url()
    topics = _topics()


class WebhookChangesSerializer(StrictSerializer):
    name = LabelField(max_length=LONGEST_NAME, required=False)
    url = _url(required=False)
    topics = _topics(required=False)
    is_active = serializers.BooleanField(required=False)


class WebhookSerializer(serializers.Serializer[Webhook]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    url = serializers.CharField()
    topics = serializers.ListField(child=serializers.CharField())
    is_active = serializers.BooleanField()
    created_at = TimestampField()


class CreatedWebhookSerializer(WebhookSerializer):
    secret = serializers.CharField(help_text="shown only in this response")


class WebhookSecretSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="of the webhook")
    secret = serializers.CharField(help_text="shown only in this response")


class DeliverySerializer(serializers.Serializer[Delivery]):
    id = serializers.UUIDField()
    notification_id = serializers.UUIDField()
    channel = ChoiceField(choices=["webhook", "email"])
    target = serializers.CharField(help_text="the name of the webhook, or the address")
    status = ChoiceField(choices=list(DeliveryStatus))
    attempts = serializers.IntegerField()
    created_at = TimestampField()
    next_attempt_at = TimestampField(allow_null=True)
    finished_at = TimestampField(allow_null=True)
    response_status = serializers.IntegerField(
        allow_null=True, help_text="HTTP status or SMTP reply code of the last response"
    )
    error = serializers.CharField(help_text="a fixed word; empty after a success")


class NotificationQuery(PageQuery):
    topic = serializers.CharField(required=False, max_length=64)


class NotificationSerializer(serializers.Serializer[Notification]):
    id = serializers.UUIDField()
    topic = serializers.CharField()
    severity = ChoiceField(choices=list(Severity))
    text = serializers.CharField(source="sentence")
    object_type = serializers.CharField()
    object_id = serializers.CharField()
    object_name = serializers.CharField()
    facts = serializers.DictField()
    created_at = TimestampField()
    deliveries = DeliverySerializer(many=True)
