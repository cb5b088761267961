"""Webhooks: the list, one webhook with its deliveries, and its changes."""

from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.principals import Principal
from kernel.clock import database_now
from kernel.errors import DomainError, VersionConflict
from kernel.outbox.topics import topic_of
from kernel.pages import once
from kernel.pages.operations import Operation, Subject, confirm
from kernel.pages.views import PageView
from kernel.rules import Rule
from notifications import actions
from notifications.forms import EditWebhookForm, WebhookFields
from notifications.models import MANAGE, Webhook
from notifications.services import listing, testing, webhooks
from notifications.services.webhooks import WebhookUpdate

LIMIT = 50
SHOWN_ONCE = "This secret was already created. It is shown only once."


class WebhookListView(PageView[Principal]):
    rules = {"GET": Rule(MANAGE, actions.WEBHOOK_LISTED)}
    section = "system"
    template = "notifications/webhooks.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        found = list(webhooks.list_webhooks(principal=self.principal)[: LIMIT + 1])
        return self.page(webhooks=found[:LIMIT], has_more=len(found) > LIMIT, limit=LIMIT)


class NewWebhookView(PageView[Principal]):
    """A new webhook. Only the response to the form contains its secret."""

    rules = {method: Rule(MANAGE, actions.WEBHOOK_CREATED) for method in ("GET", "POST")}
    section = "system"
    template = "notifications/webhook_new.html"
    draft_fields = ("name", "topics")  # the path of a URL may be a secret

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        self.principal.require_recent_sign_in(database_now())
        return self.page(form=self.show_draft(WebhookFields()))

    def post(self, request: HttpRequest) -> HttpResponse:
        if once.was_accepted(request):
            return self.done(reverse("webhooks-page"), SHOWN_ONCE)
        form = WebhookFields(request.POST)
        if form.is_valid():
            try:
                created = webhooks.create_webhook(principal=self.principal, **form.cleaned_data)
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                once.accept(request)
                return show_secret(self, created.webhook, created.secret)
        return self.page(status=HTTPStatus.UNPROCESSABLE_ENTITY, form=form)


class WebhookPageView(PageView[Principal]):
    """Base class of pages about one webhook."""

    object_reference = ("webhook", "webhook_id")
    section = "system"

    def find(self, webhook_id: UUID) -> Webhook:
        """Raises NotFound, IntegrityFailed."""
        return webhooks.get_webhook(principal=self.principal, webhook_id=webhook_id)


class WebhookView(WebhookPageView):
    rules = {"GET": Rule(MANAGE, actions.WEBHOOK_READ)}
    template = "notifications/webhook.html"
    parts = frozenset({"deliveries"})

    def get(self, request: HttpRequest, webhook_id: UUID) -> HttpResponse:  # noqa: ARG002
        webhook = self.find(webhook_id)
        found = listing.list_deliveries(principal=self.principal, webhook_id=webhook_id)
        deliveries = list(found[: LIMIT + 1])
        return self.page(
            webhook=webhook,
            topics=[topic_of(word) for word in webhook.topics],
            deliveries=deliveries[:LIMIT],
            has_pending=any(delivery.is_pending for delivery in deliveries),
            webhook_url=reverse("webhook-page", args=[webhook_id]),
            has_more=len(deliveries) > LIMIT,
            limit=LIMIT,
        )


class EditWebhookView(WebhookPageView):
    rules = {method: Rule(MANAGE, actions.WEBHOOK_CHANGED) for method in ("GET", "POST")}
    template = "notifications/webhook_edit.html"
    draft_fields = ("name", "topics", "is_active")

    def get(self, request: HttpRequest, webhook_id: UUID) -> HttpResponse:  # noqa: ARG002
        self.principal.require_recent_sign_in(database_now())
        webhook = self.find(webhook_id)
        return self.page(webhook=webhook, form=self.show_draft(EditWebhookForm(initial=_fields_of(webhook))))

    def post(self, request: HttpRequest, webhook_id: UUID) -> HttpResponse:
        webhook = self.find(webhook_id)
        form = EditWebhookForm(request.POST, initial=_fields_of(webhook))
        if form.is_valid():
            try:
                changes: WebhookUpdate = form.changes()  # type: ignore[assignment]  # its fields are these
                webhooks.update_webhook(
                    principal=self.principal,
                    webhook_id=webhook_id,
                    changes=changes,
                    check=lambda stored: form.require_current(_fields_of(stored)),
                )
            except VersionConflict as conflict:
                form.show_conflicts(request, conflict, _fields_of(self.find(webhook_id)))
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return self.done(reverse("webhook-page", args=[webhook_id]), "Webhook changed.")
        return self.page(status=HTTPStatus.UNPROCESSABLE_ENTITY, webhook=webhook, form=form)


class TestWebhookView(WebhookPageView):
    rules = {"POST": Rule(MANAGE, actions.WEBHOOK_TESTED)}

    def post(self, request: HttpRequest, webhook_id: UUID) -> HttpResponse:  # noqa: ARG002
        testing.send_test(principal=self.principal, webhook_id=webhook_id)
        return self.done(
            reverse("webhook-page", args=[webhook_id]), "Test queued. Its state is in the list of deliveries."
        )


WEBHOOK: Final[Subject[Webhook]] = Subject(
    url_name="webhook-{}",
    section="system",
    title="Webhooks",
    find=webhooks.get_webhook,
    name=lambda webhook: webhook.name,
    arguments=lambda webhook: {"webhook_id": webhook.id},
    page=lambda _, webhook: reverse("webhook-page", args=[webhook.id]),
    object_type="webhook",
    object_part="webhook_id",
)


def show_secret(view: PageView[Principal], webhook: Webhook, secret: str) -> HttpResponse:
    """Show the secret. Only this response contains it."""
    is_new = isinstance(view, NewWebhookView)
    return view.page(
        template="notifications/webhook_created.html", webhook=webhook, secret=secret, is_new=is_new
    )


WEBHOOK_OPERATIONS: Final[tuple[Operation[Webhook], ...]] = (
    Operation(
        slug="secret",
        label="Create new secret",
        question="Rotate the secret of {}?",
        permission=MANAGE,
        action=actions.WEBHOOK_SECRET_ROTATED,
        perform=webhooks.rotate_secret,
        form=confirm,
        draft_fields=(),
        effect=(
            "You get a new secret, which replaces the old one immediately. Until the receiver has it, it refuses the "
            "signatures, and the deliveries are retried."
        ),
        respond=show_secret,
        shown_once=SHOWN_ONCE,
        needs_recent_sign_in=True,
    ),
    Operation(
        slug="delete",
        label="Delete webhook",
        question="Delete the webhook {}?",
        permission=MANAGE,
        action=actions.WEBHOOK_DELETED,
        perform=webhooks.delete_webhook,
        form=confirm,
        draft_fields=(),
        effect=(
            "It receives nothing more. Its deliveries are deleted, also those that wait. You cannot undo this. To keep "
            "them, edit the webhook and make it inactive instead."
        ),
        done="Webhook {} deleted.",
        done_at="webhooks-page",
        is_danger=True,
        needs_recent_sign_in=True,
    ),
)


def _fields_of(webhook: Webhook) -> dict[str, Any]:
    return {name: getattr(webhook, name) for name in EditWebhookForm.base_fields}
