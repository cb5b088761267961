"""Webhooks: create, list, change, delete, and rotate the secret."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypedDict
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts.principals import Principal
from accounts.tokens.access_tokens import confirm_rights
from audit.log.events import Event, RowChange
from audit.services.recording import record
from kernel.clock import database_now
from kernel.crypto.material import KeyMaterial
from kernel.databases.rows import first_of
from kernel.errors import Invalid
from kernel.freshness.epoch import lock_epoch
from kernel.http.targets import Target
from kernel.labels import label_fault
from kernel.outbox.topics import selectable_topics
from kernel.trust import kek
from kernel.trust.row_state import delete_rows
from notifications import actions
from notifications.models import LONGEST_NAME, MANAGE, Delivery, DeliveryStatus, Webhook
from notifications.signatures import SECRET_SIZE, secret_text
from notifications.topics import TEST

INACTIVE: Final = "webhook_inactive"


class WebhookUpdate(TypedDict, total=False):
    """The fields to change."""

    name: str
    url: str
    topics: Sequence[str]
    is_active: bool


@dataclass(frozen=True, slots=True)
class CreatedWebhook:
    webhook: Webhook
    secret: str = field(repr=False)


def list_webhooks(*, principal: Principal) -> QuerySet[Webhook]:
    """All webhooks, by name. Raises Denied."""
    return Webhook.objects.visible_to(principal).order_by("name", "id")


def get_webhook(*, principal: Principal, webhook_id: UUID) -> Webhook:
    """Raises Denied, NotFound, IntegrityFailed."""
    return first_of(list_webhooks(principal=principal).filter(pk=webhook_id)).check_mac()


@transaction.atomic
def create_webhook(*, principal: Principal, name: str, url: str, topics: Sequence[str]) -> CreatedWebhook:
    """Create a webhook. Its secret is returned only here. Raises Denied, RecentAuthRequired, Invalid."""
    _admit(principal)
    webhook = Webhook(created_at=database_now())
    _set_fields(webhook, {"name": name, "url": url, "topics": topics})
    secret = _new_secret(webhook)
    webhook.save_with_mac()
    _record(actions.WEBHOOK_CREATED, webhook, principal, RowChange.of_row(webhook, after=_values_of(webhook)))
    return CreatedWebhook(webhook, secret)


@transaction.atomic
def update_webhook(
    *,
    principal: Principal,
    webhook_id: UUID,
    changes: WebhookUpdate,
    check: Callable[[Webhook], None] | None = None,
) -> Webhook:
    """Change the name, the URL, the topics, or whether the webhook is active.

    A webhook that becomes inactive receives nothing more: its waiting deliveries fail, and can be retried.
    ``check`` may refuse the locked webhook with an error of its own. Raises Denied, RecentAuthRequired, NotFound,
    Invalid, IntegrityFailed.
    """
    _admit(principal)
    webhook = _lock(webhook_id)
    if check is not None:
        check(webhook)
    before, old_url = _values_of(webhook), webhook.url
    _set_fields(webhook, changes)
    after = _values_of(webhook)
    if (after, webhook.url) == (before, old_url):
        return webhook
    webhook.save_with_mac()
    if before["is_active"] and not webhook.is_active:
        _end_deliveries(webhook)
    change = RowChange.of_row(webhook, before=before, after=after)
    _record(actions.WEBHOOK_CHANGED, webhook, principal, change, path_changed=webhook.url != old_url)
    return webhook


@transaction.atomic
def delete_webhook(*, principal: Principal, webhook_id: UUID) -> str:
    """Delete a webhook with its deliveries. Returns its name. Raises Denied, RecentAuthRequired, NotFound."""
    _admit(principal)
    webhook = first_of(Webhook.objects.select_for_update().filter(pk=webhook_id))
    change = RowChange.of_row(webhook, before=_values_of(webhook))
    delete_rows(Webhook.objects.filter(pk=webhook_id))
    _record(actions.WEBHOOK_DELETED, webhook, principal, change)
    return webhook.name


@transaction.atomic
def rotate_secret(*, principal: Principal, webhook_id: UUID) -> str:
    """A new secret, which replaces the old one at once. Deliveries that the receiver refuses meanwhile are retried.

    Raises Denied, RecentAuthRequired, NotFound, IntegrityFailed.
    """
    _admit(principal)
    webhook = _lock(webhook_id)
    secret = _new_secret(webhook)
    webhook.save_with_mac()
    _record(actions.WEBHOOK_SECRET_ROTATED, webhook, principal)
    return secret


def may_receive(webhook: Webhook, delivery: Delivery) -> bool:
    """An inactive webhook receives tests only."""
    return webhook.is_active or delivery.notification.topic == TEST.word


def _values_of(webhook: Webhook) -> dict[str, object]:
    """The declared fields for the audit log. The path of the URL may be a secret, so only the origin is logged."""
    return {
        "name": webhook.name,
        "origin": webhook.origin,
        "topics": list(webhook.topics),
        "is_active": webhook.is_active,
    }


def _admit(principal: Principal) -> None:
    principal.require(MANAGE)
    principal.require_recent_sign_in(database_now())


def _lock(webhook_id: UUID) -> Webhook:
    return first_of(Webhook.objects.select_for_update().filter(pk=webhook_id)).check_mac()


def _set_fields(webhook: Webhook, changes: WebhookUpdate) -> None:
    if "name" in changes and (fault := label_fault(changes["name"], LONGEST_NAME)):
        raise Invalid.of_field("name", fault)
    if "url" in changes:
        Target.parse(changes["url"]).require_allowed(settings.CC_NOTIFICATIONS.allowed_networks)
    if "topics" in changes:
        changes = {**changes, "topics": _known_topics(changes["topics"])}
    for name, value in changes.items():
        setattr(webhook, name, value)


def _known_topics(topics: Sequence[str]) -> list[str]:
    known = [topic.word for topic in selectable_topics()]
    if not topics or not set(topics) <= set(known):
        raise Invalid.of_field("topics", f"Choose at least one of {', '.join(known)}.")
    return sorted(set(topics))


def _new_secret(webhook: Webhook) -> str:
    secret = os.urandom(SECRET_SIZE)
    kek.wrap_into(webhook, KeyMaterial(secret))
    return secret_text(secret)


def _end_deliveries(webhook: Webhook) -> None:
    Delivery.objects.filter(webhook=webhook, status=DeliveryStatus.PENDING.value).update(  # noqa: CC3 - deliveries have no MAC
        status=DeliveryStatus.FAILED.value,
        next_attempt_at=None,
        finished_at=database_now(),
        error=INACTIVE,
        lease_until=None,
        lease_holder=None,
    )


def _record(action: str, webhook: Webhook, principal: Principal, *changes: RowChange, **meta: object) -> None:
    event = Event(action=action, object_type="webhook", object_id=str(webhook.id), meta=meta)
    record(event, principal.actor, changes=changes)
    lock_epoch()
    confirm_rights(principal)
