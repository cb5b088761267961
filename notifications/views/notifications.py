"""The list of notifications, the e-mail settings, and retries."""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.principals import Principal
from kernel.outbox.topics import selectable_topics
from kernel.pages.form_views import FormView
from kernel.pages.forms import PageForm
from kernel.pages.views import PageView, next_url, number_in
from kernel.rules import Rule
from notifications import actions
from notifications.models import MANAGE, READ
from notifications.services import listing, testing

LIMIT = 50


class NotificationListView(PageView[Principal]):
    rules = {"GET": Rule(READ, actions.NOTIFICATION_LISTED)}
    section = "system"
    template = "notifications/list.html"
    parts = frozenset({"notification-rows"})

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return _show_list(self, PageForm())


class _ActionView(FormView[Principal, PageForm]):
    """An action without input. The list shows a refusal."""

    section = "system"
    template = "notifications/list.html"
    form_class = PageForm

    def show_form(self, form: PageForm, **context: Any) -> HttpResponse:
        return _show_list(self, form, **context)


class TestEmailView(_ActionView):
    """Send a test to each configured address."""

    rules = {"POST": Rule(MANAGE, actions.EMAIL_TESTED)}

    def perform(self, form: PageForm) -> HttpResponse:  # noqa: ARG002 - without input
        number = testing.send_test_email(principal=self.principal)
        words = "1 address" if number == 1 else f"{number} addresses"
        return self.done(reverse("notifications"), f"Test for {words} queued. Its state is in this list.")


class RetryDeliveryView(_ActionView):
    """Send a failed or waiting delivery as soon as possible."""

    rules = {"POST": Rule(MANAGE, actions.DELIVERY_RETRIED)}
    object_reference = ("delivery", "delivery_id")

    def perform(self, form: PageForm) -> HttpResponse:  # noqa: ARG002 - without input
        testing.retry_delivery(principal=self.principal, delivery_id=self.kwargs["delivery_id"])
        return self.done(next_url(self.request, reverse("notifications")), "Delivery queued.")


def _show_list(view: PageView[Principal], form: PageForm, status: int = HTTPStatus.OK) -> HttpResponse:
    request = view.request
    topics = selectable_topics()
    asked = request.GET.get("topic", "")
    topic = asked if asked in {each.word for each in topics} else ""
    found = listing.list_notifications(principal=view.principal, topic=topic)
    window = Paginator(found, LIMIT).get_page(number_in(request, "page") or 1)
    given = settings.CC_NOTIFICATIONS
    return view.page(
        status=status,
        form=form,
        window=window,
        topics=topics,
        topic=topic,
        has_email=given.has_email,
        emails=given.emails,
        email_topics=[each.label for each in topics if not given.topics or each.word in given.topics],
        may_manage=view.principal.has_permission(MANAGE),
    )
