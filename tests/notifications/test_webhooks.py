"""Webhooks through the API: their life, their secrets, and what the log has of them."""

from datetime import timedelta
from uuid import uuid4

import pytest

from audit.models import AuditTrail
from kernel.clock import database_now
from notifications.models import Delivery, Webhook
from tests.log_entries import log_rows
from tests.notifications.conftest import publish
from tests.personas import with_token

pytestmark = pytest.mark.django_db

URL = "https://hooks.example.org/of-the-path"
BODY = {"name": "chat", "url": URL, "topics": ["job.failed", "key.expiring"]}
PATH = "/api/v1/webhooks"


def created(persona, **fields):
    response = persona.api.post(PATH, {**BODY, **fields})
    assert response.status == 201, response.json
    return response.json


def test_a_webhook_is_created_read_changed_and_deleted(admin):
    webhook = created(admin)
    assert webhook["secret"].startswith("whsec_")
    path = f"{PATH}/{webhook['id']}"
    response = admin.api.get(path)
    assert response.json == {name: value for name, value in webhook.items() if name != "secret"}
    assert admin.api.get(PATH).json["results"] == [response.json]
    changed = admin.api.patch(path, {"is_active": False, "topics": ["audit.alarm"]})
    assert (changed.json["is_active"], changed.json["topics"]) == (False, ["audit.alarm"])
    stale = admin.api.patch(path, {"name": "other"}, If_Match=response.headers["ETag"])
    assert stale.status == 412
    assert admin.api.delete(path).status == 204
    assert admin.api.get(path).status == 404


def test_the_secret_is_wrapped_and_shown_once(admin):
    webhook = created(admin)
    row = Webhook.objects.get()
    assert webhook["secret"].encode() not in bytes(row.wrapped)
    rotated = admin.api.post(f"{PATH}/{webhook['id']}/rotate-secret").json
    assert rotated["secret"] != webhook["secret"]
    assert bytes(Webhook.objects.get().wrapped) != bytes(row.wrapped)


def test_the_log_has_every_change_but_neither_the_secret_nor_the_path(admin):
    webhook = created(admin)
    path = f"{PATH}/{webhook['id']}"
    admin.api.patch(path, {"url": "https://hooks.example.org/of-another-path"})
    admin.api.post(f"{path}/rotate-secret")
    admin.api.post(f"{path}/test")
    admin.api.delete(path)
    entries = log_rows().filter(object_id=webhook["id"]).order_by("id")
    assert list(entries.values_list("action", flat=True)) == [
        "notifications.webhook.created",
        "notifications.webhook.changed",
        "notifications.webhook_secret.rotated",
        "notifications.webhook.tested",
        "notifications.webhook.deleted",
    ]
    logged = "".join(map(str, [*entries.values_list(), *AuditTrail.objects.values_list()]))
    assert "of-the-path" not in logged
    assert "of-another-path" not in logged
    assert webhook["secret"] not in logged


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": "http://hooks.example.org/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "https://[fd00::1]/"}, "url"),
        ({"topics": []}, "topics"),
        ({"topics": ["no.topic"]}, "topics"),
        ({"topics": ["notification.test"]}, "topics"),
        ({"name": ""}, "name"),
        ({"is_active": False}, "is_active"),
    ],
)
def test_a_wrong_field_is_named(admin, fields, field):
    response = admin.api.post(PATH, BODY | fields)
    assert response.status == 400
    assert field in response.json["errors"]


def test_changes_need_a_recent_sign_in(admin):
    webhook = created(admin)
    token = with_token(admin)
    for response in (
        token.api.post(PATH, BODY),
        token.api.patch(f"{PATH}/{webhook['id']}", {"name": "other"}),
        token.api.post(f"{PATH}/{webhook['id']}/rotate-secret"),
        token.api.delete(f"{PATH}/{webhook['id']}"),
    ):
        assert (response.status, response.code) == (403, "recent_auth_required")
    assert token.api.get(PATH).status == 200


def test_a_test_is_queued_for_this_webhook_only_and_listed(admin):
    webhook, other = created(admin), created(admin)
    response = admin.api.post(f"{PATH}/{webhook['id']}/test")
    assert (response.status, response.json["status"], response.json["target"]) == (202, "pending", "chat")
    assert admin.api.get(f"{PATH}/{webhook['id']}/deliveries").json["results"] == [response.json]
    assert admin.api.get(f"{PATH}/{other['id']}/deliveries").json["count"] == 0


def test_a_retry_waits_for_nothing_and_a_success_is_not_sent_again(admin):
    webhook = created(admin)
    sent = admin.api.post(f"{PATH}/{webhook['id']}/test").json
    Delivery.objects.update(attempts=5, next_attempt_at=database_now() + timedelta(hours=2))
    path = f"/api/v1/notifications/deliveries/{sent['id']}/retry"
    response = admin.api.post(path)
    assert (response.json["attempts"], response.json["status"]) == (0, "pending")
    assert Delivery.objects.get().next_attempt_at <= database_now()
    Delivery.objects.update(status="succeeded", next_attempt_at=None, finished_at=database_now())
    assert admin.api.post(path).status == 409
    assert admin.api.post(f"/api/v1/notifications/deliveries/{uuid4()}/retry").status == 404


def test_the_list_of_notifications_is_filtered_by_topic(auditor):
    publish(1)
    publish(2, topic="audit.alarm", label="Entry altered")
    found = auditor.api.get("/api/v1/notifications").json
    assert [each["topic"] for each in found["results"]] == ["audit.alarm", "job.failed"]
    (alarm,) = auditor.api.get("/api/v1/notifications?topic=audit.alarm").json["results"]
    assert (alarm["text"], alarm["severity"], alarm["deliveries"]) == (
        "Audit alarm: Entry altered.",
        "critical",
        [],
    )
