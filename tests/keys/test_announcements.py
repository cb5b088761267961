"""Scheduled deletions and grants on tags are notifications, in the transaction of the change."""

import pytest

from kernel.outbox.models import Notification
from keys.access.services import GrantRequest, grant_key, grant_tag
from keys.deletion import services as deletion
from keys.rotation.services.rotating import rotate_key
from tests.factories import KeyFactory, ServiceAccountFactory

pytestmark = pytest.mark.django_db


def published():
    return [
        (each.topic, each.object_name, each.sentence) for each in Notification.objects.order_by("created_at")
    ]


def test_the_scheduled_deletion_of_a_key_and_of_a_version_is_published_each_time(admin):
    key = KeyFactory(principal=admin.principal, name="payments")
    rotate_key(principal=admin.principal, key_id=key.id, reason="old")
    order = {"principal": admin.principal, "key_id": key.id, "reason": "unused"}
    row = deletion.schedule_version_destruction(**order, version=1, confirm_name="payments", waiting_days=7)
    at = f"{row.destruction_at:%Y-%m-%d %H:%MZ}"
    rest = "Until then, it cannot be used, and the deletion can be cancelled."
    version = f"ada scheduled the deletion of version 1 of the key payments for {at}. {rest}"
    assert published() == [("key.deletion_scheduled", "payments", version)]
    for _ in range(2):
        deletion.schedule_deletion(**order, confirm_name="payments", waiting_days=7)
        deletion.cancel_deletion(**order)
    assert [text.split(" for ")[0] for *_, text in published()[1:]] == [
        "ada scheduled the deletion of the key payments"
    ] * 2


def test_a_grant_on_a_tag_is_published_and_one_on_a_key_is_not(admin):
    key, shop = KeyFactory(principal=admin.principal, tags=["eu"]), ServiceAccountFactory(name="shop")
    account = GrantRequest(
        principal_type="service_account", principal_id=str(shop.id), operations=["encrypt", "decrypt"]
    )
    grant_key(principal=admin.principal, key_id=key.id, request=account)
    assert published() == []
    grant_tag(principal=admin.principal, tag="eu", request=account)
    role = GrantRequest(principal_type="role", principal_id="developer", operations=["encrypt"])
    grant_tag(principal=admin.principal, tag="eu", request=role)
    start = "these operations with all keys that have the tag eu, now or later:"
    assert published() == [
        ("grant.tag_added", "eu", f"ada allowed the service account shop {start} decrypt, encrypt."),
        ("grant.tag_added", "eu", f"ada allowed the role developer {start} encrypt."),
    ]
