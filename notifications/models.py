"""Webhooks, and the deliveries of notifications to webhooks and addresses."""

import uuid
from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Final, Self

from django.db import models
from django.db.models import Q

from accounts.principals import Principal
from kernel.errors import Invalid
from kernel.http.targets import MAX_URL, Target
from kernel.outbox.models import Notification
from kernel.trust.row_mac import MacField, MacProtectedRow
from kernel.trust.wrapped_row import Binding, WrappedRow

MANAGE = "webhooks.manage"
READ = "system.read"
LONGEST_NAME = 64


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def visible_to(self, principal: Principal) -> Self:
        """All of them. Raises Denied."""
        principal.require(MANAGE)
        return self


class Webhook(MacProtectedRow, WrappedRow):
    """A server that receives notifications of its ``topics``.

    The wrapped key is the secret of its signatures. The MAC covers what decides where notifications go: without it, an
    attacker with write access to the database could send them to a server of their own.
    """

    MAC_LABEL: ClassVar[str] = "webhooks"
    STATE: ClassVar[tuple[str, ...]] = ("row_mac", "name")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=LONGEST_NAME)
    url = models.CharField(max_length=MAX_URL)
    topics = models.JSONField(default=list)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    objects = WebhookQuerySet.as_manager()

    class Meta:
        db_table = "webhooks"
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name

    @property
    def origin(self) -> str:
        """The URL without its path, which often contains a token; "" if the row was altered."""
        try:
            return Target.parse(self.url).origin
        except Invalid:
            return ""

    @property
    def binding(self) -> Binding:
        return Binding("cc/webhook/v1", [self.id.bytes])

    def mac_fields(self) -> tuple[MacField, ...]:
        return self.id, self.url, self.topics, self.is_active, self.kek_id, bytes(self.wrapped)


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


# Why an attempt failed. ``error`` has the words, pages the labels.
ERRORS: Final[Mapping[str, str]] = {
    "name_not_resolved": "The host name was not found",
    "address_not_allowed": "The address is not public",
    "connection_failed": "The server could not be reached",
    "tls_failed": "The certificate or the TLS connection is not valid",
    "timeout": "The server did not respond in time",
    "redirected": "The server redirected the request",
    "status_not_ok": "The server rejected the notification",
    "mail_refused": "The mail server rejected the message",
    "not_configured": "The address is not in the settings, or not that of a user to warn",
    "webhook_inactive": "The webhook was disabled",
    "integrity_failed": "The stored webhook was altered",
    "internal": "Internal error; the log has the reason",
}


class Delivery(models.Model):
    """One notification to one target: a webhook or an e-mail address.

    ``lease_until`` and ``lease_holder`` are set while a worker sends it. ``error`` is a fixed word. ``response_status``
    is the HTTP status of the last response. After the last attempt, ``status`` is failed.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    notification = models.ForeignKey(Notification, on_delete=models.CASCADE, related_name="deliveries")
    webhook = models.ForeignKey(Webhook, null=True, on_delete=models.CASCADE, related_name="deliveries")
    email = models.CharField(max_length=254, blank=True)
    status = models.CharField(
        max_length=10,
        choices=[(word.value, word.value) for word in DeliveryStatus],
        default=DeliveryStatus.PENDING.value,
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    response_status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True)
    lease_holder = models.UUIDField(null=True)

    class Meta:
        db_table = "notification_deliveries"
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="idx_deliveries_pending",
                condition=Q(status=DeliveryStatus.PENDING.value),
            ),
            models.Index(
                fields=["finished_at"],
                name="idx_deliveries_failed",
                condition=Q(status=DeliveryStatus.FAILED.value),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=[word.value for word in DeliveryStatus]),
                name="deliveries_status_is_known",
            ),
            models.CheckConstraint(
                condition=Q(webhook__isnull=True) & ~Q(email="") | Q(webhook__isnull=False, email=""),
                name="deliveries_has_one_target",
            ),
            models.CheckConstraint(
                condition=Q(status=DeliveryStatus.PENDING.value, next_attempt_at__isnull=False)
                | ~Q(status=DeliveryStatus.PENDING.value)
                & Q(next_attempt_at__isnull=True, finished_at__isnull=False),
                name="deliveries_attempt_while_pending",
            ),
            models.UniqueConstraint(
                fields=["notification", "webhook"],
                condition=Q(webhook__isnull=False),
                name="deliveries_once_per_webhook",
            ),
            models.UniqueConstraint(
                fields=["notification", "email"], condition=~Q(email=""), name="deliveries_once_per_address"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.notification_id} to {self.target}"

    @property
    def target(self) -> str:
        """The name of the webhook, or the address."""
        return self.webhook.name if self.webhook else self.email

    @property
    def is_pending(self) -> bool:
        return self.status == DeliveryStatus.PENDING

    @property
    def channel(self) -> str:
        return "webhook" if self.webhook_id else "email"

    @property
    def error_label(self) -> str:
        """The reason of the last failure in words, with the status of the response; "" after a success."""
        label = ERRORS.get(self.error, self.error)
        return f"{label} ({self.response_status})" if self.error and self.response_status else label
