"""The pages of notifications and webhooks."""

import pytest
from django.urls import reverse

from kernel.outbox import publishing
from notifications.models import Delivery, Webhook
from notifications.services.delivery import deliver_due
from tests.browsing import signed_in, text
from tests.endpoints import make_delivery, make_webhook
from tests.factories import KeyFactory
from tests.notifications.conftest import publish

pytestmark = pytest.mark.django_db

FIELDS = {"name": "chat", "url": "https://hooks.example.org/t0ken", "topics": ["job.failed", "audit.alarm"]}


def test_the_secret_is_shown_once_however_often_the_form_is_sent(admin):
    browser = signed_in(admin)
    number = {"form-number": "1"}
    shown = browser.post(reverse("webhook-new"), FIELDS | number)
    assert "whsec_" in text(shown)
    again = browser.post(reverse("webhook-new"), FIELDS | number)
    assert (again.status_code, Webhook.objects.count()) == (303, 1)
    page = browser.get(reverse("webhook-page", args=[Webhook.objects.get().id]))
    assert "whsec_" not in text(page)


def test_a_refused_url_is_an_error_at_its_field(admin):
    shown = signed_in(admin).post(reverse("webhook-new"), FIELDS | {"url": "https://10.0.0.1/"})
    assert shown.status_code == 422
    assert "CC_WEBHOOK_ALLOWED_NETWORKS" in text(shown)
    assert not Webhook.objects.exists()


def test_a_change_does_not_overwrite_one_that_was_not_seen(admin):
    webhook, browser = make_webhook(), signed_in(admin)
    path = reverse("webhook-edit", args=[webhook.id])
    form = browser.get(path).context["form"]
    shown = {f"initial-{name}": form[name].initial for name in form.fields}
    sent = {"name": "team", "url": webhook.url, "topics": webhook.topics, "is_active": "on"}
    webhook.name = "changed meanwhile"
    webhook.save_with_mac()
    refused = browser.post(path, shown | sent)
    assert refused.status_code == 422
    assert "changed meanwhile" in text(refused)
    done = browser.post(path, shown | sent | {"initial-name": "changed meanwhile", "is_active": ""})
    assert done.status_code == 303
    webhook.refresh_from_db()
    assert (webhook.name, webhook.is_active) == ("team", False)


def test_a_failure_is_shown_and_retried_from_both_lists(admin):
    delivery, browser = make_delivery(), signed_in(admin)
    for page in (reverse("notifications"), reverse("webhook-page", args=[delivery.webhook_id])):
        Delivery.objects.update(
            status="failed", attempts=20, error="status_not_ok", response_status=500, next_attempt_at=None,
            finished_at=delivery.created_at,
        )  # fmt: skip
        shown = text(browser.get(page))
        assert "The server rejected the notification (500)" in shown
        assert f'name="next" value="{page}"' in shown
        done = browser.post(reverse("delivery-retry", args=[delivery.id]), {"next": page})
        assert done["Location"] == page
        assert Delivery.objects.get().status == "pending"


def test_a_successful_delivery_is_not_sent_again(admin):
    delivery = make_delivery()
    Delivery.objects.update(status="succeeded", next_attempt_at=None, finished_at=delivery.created_at)
    refused = signed_in(admin).post(reverse("delivery-retry", args=[delivery.id]))
    assert refused.status_code == 422
    assert "This delivery has succeeded." in text(refused)


def test_a_test_shows_as_queued_and_the_list_refreshes_until_it_ends(admin):
    webhook, browser = make_webhook(), signed_in(admin)
    page = reverse("webhook-page", args=[webhook.id])
    assert browser.post(reverse("webhook-test-page", args=[webhook.id]))["Location"] == page
    shown = text(browser.get(page))
    assert "Queued" in shown
    assert "data-auto-refresh" in shown
    Delivery.objects.update(status="succeeded", next_attempt_at=None, finished_at=webhook.created_at)
    shown = text(browser.get(page))
    assert "Delivered" in shown
    assert "data-auto-refresh" not in shown


def test_an_operator_sees_notifications_but_no_control(operator, admin):
    key = KeyFactory(name="payments")
    publishing.publish(
        publishing.Announcement(
            topic="key.expiring",
            dedup_key="1",
            object_type="key",
            object_name=key.name,
            facts={"at": "2026-12-01 00:00Z", "within": "7 days"},
        )
    )
    Delivery.objects.filter(pk=make_delivery().pk).update(
        status="failed", next_attempt_at=None, finished_at="2026-01-01T00:00Z"
    )
    shown = text(signed_in(operator).get(reverse("notifications")))
    assert f"The key {key.name} expires on 2026-12-01 00:00Z, in less than 7 days." in shown
    assert reverse("key", args=[key.name]) in shown
    assert "Retry<" not in shown
    assert reverse("webhooks-page") not in shown


def test_the_list_is_filtered_by_topic_and_has_pages(auditor, monkeypatch):
    monkeypatch.setattr("notifications.views.notifications.LIMIT", 2)
    for number in range(3):
        publish(number, error_code=f"code-{number}")
    publish(4, topic="audit.alarm", label="Entry altered")
    browser, path = signed_in(auditor), reverse("notifications")
    shown = text(browser.get(f"{path}?topic=job.failed"))
    assert "code-2" in shown
    assert "code-0" not in shown
    assert "Entry altered" not in shown
    assert "code-0" in text(browser.get(f"{path}?topic=job.failed&page=2"))


def test_a_test_email_is_queued_or_refused_with_the_settings(admin, configure):
    browser = signed_in(admin)
    refused = browser.post(reverse("email-test"))
    assert refused.status_code == 422
    assert "CC_SMTP_HOST" in text(refused)
    configure(smtp_host="127.0.0.1", sender="keys@example.org", emails=("ops@example.org",))
    assert browser.post(reverse("email-test")).status_code == 303
    assert Delivery.objects.get().email == "ops@example.org"


def test_a_deleted_webhook_gets_nothing_more(admin):
    delivery = make_delivery()
    path = reverse("webhook-delete", args=[delivery.webhook_id])
    browser = signed_in(admin)
    assert "Delete the webhook chat?" in text(browser.get(path))
    assert browser.post(path).status_code == 303
    assert not Webhook.objects.exists()
    assert not Delivery.objects.exists()
    deliver_due()


def test_the_pages_cost_few_statements_however_many_rows_there_are(admin, django_assert_max_num_queries):
    webhook, browser = make_webhook(), signed_in(admin)
    for _ in range(5):
        make_delivery(webhook)
    pages = (reverse("notifications"), reverse("webhooks-page"), reverse("webhook-page", args=[webhook.id]))
    for page in pages:
        with django_assert_max_num_queries(12):
            assert browser.get(page).status_code == 200
