"""Webhooks: the list, one webhook with its deliveries, and its changes."""

from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.functional import cached_property

from accounts.principals import Principal
from kernel.outbox.topics import topic_of
from kernel.pages.form_views import FormView
from kernel.pages.operations import Operation, Subject, confirm
from kernel.pages.views import PageView
from kernel.rules import Rule
from notifications import actions
from notifications.forms import EditWebhookForm, WebhookFields
from notifications.models import MANAGE, Webhook
from notifications.services import listing, testing, webhooks
from notifications.services.webhooks import CreatedWebhook, WebhookUpdate

_LIMIT = 50
_SHOWN_ONCE = "This secret was already created. It is shown only once."


class WebhookListView(PageView[Principal]):
    rules = {"GET": Rule(MANAGE, actions.WEBHOOK_LISTED)}
    section = "system"
    template = "notifications/webhooks.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        found = list(webhooks.list_webhooks(principal=self.principal)[: _LIMIT + 1])
        return self.page(webhooks=found[:_LIMIT], has_more=len(found) > _LIMIT, limit=_LIMIT)


class NewWebhookView(FormView[Principal, WebhookFields]):
    """A new webhook. Only the response to the form contains its secret."""

    rules = {method: Rule(MANAGE, actions.WEBHOOK_CREATED) for method in ("GET", "POST")}
    section = "system"
    template = "notifications/webhook_new.html"
    form_class = WebhookFields
    draft_fields = ("name", "topics")  # the path of a URL may be a secret
    needs_recent_sign_in = True
    shown_once = _SHOWN_ONCE
    return_name = "webhooks-page"

    def perform(self, form: WebhookFields) -> CreatedWebhook:
        return webhooks.create_webhook(principal=self.principal, **form.cleaned_data)

    def respond(self, result: CreatedWebhook) -> HttpResponse:
        return _show_secret(self, result.webhook, result.secret)


class _WebhookPageView(PageView[Principal]):
    """Base class of pages about one webhook."""

    object_reference = ("webhook", "webhook_id")
    section = "system"

    @cached_property
    def webhook(self) -> Webhook:
        """Raises NotFound, IntegrityFailed."""
        return webhooks.get_webhook(principal=self.principal, webhook_id=self.kwargs["webhook_id"])


class WebhookView(_WebhookPageView):
    rules = {"GET": Rule(MANAGE, actions.WEBHOOK_READ)}
    template = "notifications/webhook.html"
    parts = frozenset({"deliveries"})

    def get(self, request: HttpRequest, webhook_id: UUID) -> HttpResponse:  # noqa: ARG002 - Django's signature
        webhook = self.webhook
        found = listing.list_deliveries(principal=self.principal, webhook_id=webhook_id)
        deliveries = list(found[: _LIMIT + 1])
        return self.page(
            webhook=webhook,
            topics=[topic_of(word) for word in webhook.topics],
            deliveries=deliveries[:_LIMIT],
            has_pending=any(delivery.is_pending for delivery in deliveries),
            webhook_url=reverse("webhook-page", args=[webhook_id]),
            has_more=len(deliveries) > _LIMIT,
            limit=_LIMIT,
        )


class EditWebhookView(_WebhookPageView, FormView[Principal, EditWebhookForm]):
    rules = {method: Rule(MANAGE, actions.WEBHOOK_CHANGED) for method in ("GET", "POST")}
    template = "notifications/webhook_edit.html"
    draft_fields = ("name", "topics", "is_active")
    needs_recent_sign_in = True

    def form(self, data: QueryDict | None = None) -> EditWebhookForm:
        return EditWebhookForm(data, initial=_fields_of(self.webhook))

    def perform(self, form: EditWebhookForm) -> HttpResponse:
        changes: WebhookUpdate = form.changes()  # type: ignore[assignment]  # its fields are these
        webhooks.update_webhook(
            principal=self.principal,
            webhook_id=self.webhook.id,
            changes=changes,
            check=lambda stored: form.require_current(_fields_of(stored)),
        )
        return self.done(reverse("webhook-page", args=[self.webhook.id]), "Webhook changed.")

    def show_form(self, form: EditWebhookForm, **context: Any) -> HttpResponse:
        return self.page(webhook=self.webhook, form=form, **context)


class TestWebhookView(_WebhookPageView):
    rules = {"POST": Rule(MANAGE, actions.WEBHOOK_TESTED)}

    def post(self, request: HttpRequest, webhook_id: UUID) -> HttpResponse:  # noqa: ARG002 - Django's signature
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


def _show_secret(view: PageView[Principal], webhook: Webhook, secret: str) -> HttpResponse:
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
            "You get a new secret, which replaces the old one immediately. Until you update the receiver, it rejects the "
            "requests. CipherCanary retries them."
        ),
        respond=_show_secret,
        shown_once=_SHOWN_ONCE,
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
            "The webhook receives no more notifications. Its deliveries are deleted, including those that are waiting. "
            "You cannot undo this. To keep them, edit the webhook and disable it instead."
        ),
        done="Webhook {} deleted.",
        done_at="webhooks-page",
        is_danger=True,
        needs_recent_sign_in=True,
    ),
)


def _fields_of(webhook: Webhook) -> dict[str, Any]:
    return {name: getattr(webhook, name) for name in EditWebhookForm.base_fields}
