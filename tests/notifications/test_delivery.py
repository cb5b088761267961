"""Deliveries by webhook to real servers: at least once, in time, and only to where they may go."""

import base64
import hashlib
import hmac
import json
import logging
import re
import socket
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection

from kernel.clock import database_now
from kernel.http import outgoing, pinned
from kernel.outbox.models import Notification
from notifications.models import Delivery, DeliveryStatus, Webhook
from notifications.services import claims, testing, webhooks
from notifications.services.delivery import deliver_due
from tests.architecture.sources import ROOT
from tests.notifications.conftest import only_delivery, publish
from tests.notifications.servers import Receiver, serving

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def url_of(server, host="localhost"):
    return f"https://{host}:{server.port}/hook?token=of-the-path"


def make_due():
    """Skip the pause before the next attempt."""
    Delivery.objects.filter(status="pending").update(next_attempt_at=database_now(), lease_until=None)


def redirect_to(url):
    def respond(handler):
        handler.send_response(307)
        handler.send_header("Location", url)
        handler.end_headers()

    return respond


def hang(handler):
    handler.server.released.wait(30)


def drip(handler):
    """Send a header so slowly that no single wait ends."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not handler.server.released.wait(0.05):
        handler.wfile.write(b"x")


@pytest.fixture
def short_limits(monkeypatch):
    for name in ("CONNECT_SECONDS", "READ_SECONDS"):
        monkeypatch.setattr(outgoing, name, 0.3)
    for module in (outgoing, pinned):
        monkeypatch.setattr(module, "TOTAL_SECONDS", 0.5)


def test_a_delivery_is_signed_as_standard_webhooks_describes(receiver, new_webhook):
    created = new_webhook(url_of(receiver))
    notification = publish(error_code="gave_up")
    deliver_due()
    ((headers, body),) = receiver.requests
    secret = base64.b64decode(created.secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    assert headers["webhook-id"] == str(notification.id)
    assert headers["content-type"] == "application/json"
    assert headers["host"] == f"localhost:{receiver.port}"
    found = json.loads(body)
    assert (found["id"], found["type"], found["severity"]) == (str(notification.id), "job.failed", "warning")
    assert found["text"] == "A job of the kind export failed (gave_up)."
    delivery = only_delivery()
    assert (delivery.status, delivery.attempts, delivery.response_status) == ("succeeded", 1, 204)


def test_the_example_of_the_documentation_verifies_a_delivery(receiver, new_webhook):
    page = (ROOT / "docs" / "notifications.md").read_text()
    example = {}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], example)  # noqa: S102 - the example of our own page
    is_authentic = example["is_authentic"]
    secret = new_webhook(url_of(receiver)).secret
    publish()
    deliver_due()
    ((headers, body),) = receiver.requests
    assert is_authentic(secret, headers, body)
    assert not is_authentic(secret, headers, body + b" ")
    assert not is_authentic(secret, headers | {"webhook-id": "other"}, body)
    assert not is_authentic(secret, headers | {"webhook-timestamp": "1700000000"}, body)
    assert not is_authentic(f"whsec_{base64.b64encode(bytes(32)).decode()}", headers, body)


def test_only_subscribed_and_active_webhooks_get_a_delivery(receiver, new_webhook, admin):
    new_webhook(url_of(receiver), ["audit.alarm"])
    inactive = new_webhook(url_of(receiver)).webhook
    webhooks.update_webhook(principal=admin.principal, webhook_id=inactive.id, changes={"is_active": False})
    publish()
    deliver_due()
    assert (receiver.requests, Delivery.objects.count()) == ([], 0)
    assert Notification.objects.get().distributed_at


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_a_refused_notification_is_retried_with_the_same_id(receiver, new_webhook, status):
    new_webhook(url_of(receiver))
    publish()
    receiver.response = status
    deliver_due()
    delivery = only_delivery()
    assert (delivery.status, delivery.attempts) == ("pending", 1)
    assert (delivery.error, delivery.response_status) == ("status_not_ok", status)
    assert timedelta(seconds=20) < delivery.next_attempt_at - database_now() < timedelta(seconds=31)
    deliver_due()
    assert len(receiver.requests) == 1  # not due yet
    receiver.response = 200
    make_due()
    deliver_due()
    first, second = (headers["webhook-id"] for headers, _ in receiver.requests)
    assert first == second
    assert only_delivery().status == "succeeded"


@pytest.mark.parametrize(("status", "requests"), [(400, 3), (500, 3), (302, 1), (401, 1), (410, 1), (503, 1)])
def test_a_target_that_refuses_everything_gets_one_request_in_a_run(receiver, new_webhook, status, requests):
    new_webhook(url_of(receiver))
    for number in range(3):
        publish(number)
    receiver.response = status
    deliver_due()
    assert len(receiver.requests) == requests
    assert set(Delivery.objects.values_list("status", "attempts")) == {("pending", 1)}


def test_the_pauses_grow_to_two_hours_and_end_after_a_day():
    pauses = [claims.delay_after(number) for number in range(1, claims.MAX_ATTEMPTS)]
    assert pauses[:3] == [30, 60, 120]
    assert pauses[-1] == 7200
    assert 23 * 3600 < sum(pauses) < 25 * 3600


def test_the_last_attempt_leaves_a_visible_failure_that_can_be_retried(receiver, new_webhook, admin):
    new_webhook(url_of(receiver))
    publish()
    receiver.response = 500
    deliver_due()
    Delivery.objects.update(attempts=claims.MAX_ATTEMPTS - 1)
    make_due()
    deliver_due()
    failed = only_delivery()
    assert (failed.status, failed.next_attempt_at) == ("failed", None)
    receiver.response = 200
    testing.retry_delivery(principal=admin.principal, delivery_id=failed.id)
    deliver_due()
    assert (only_delivery().status, only_delivery().attempts) == ("succeeded", 1)


def test_a_redirect_is_not_followed(receiver, tls, new_webhook):
    with serving(Receiver(tls[0])) as elsewhere:
        new_webhook(url_of(receiver))
        receiver.response = redirect_to(url_of(elsewhere))
        publish()
        deliver_due()
        assert elsewhere.requests == []
    assert (only_delivery().error, only_delivery().response_status) == ("redirected", 307)


@pytest.mark.parametrize("behavior", [hang, drip])
def test_a_slow_server_is_given_up_in_time_and_nothing_is_lost(receiver, new_webhook, short_limits, behavior):
    new_webhook(url_of(receiver))
    publish()
    receiver.response = behavior
    began = time.monotonic()
    deliver_due()
    assert time.monotonic() - began < 3
    delivery = only_delivery()
    assert delivery.status == "pending"
    assert delivery.error == "timeout"


def test_a_server_that_never_finishes_the_handshake_is_given_up_in_time(configure, new_webhook, short_limits):
    configure(allowed_networks=("127.0.0.0/8",))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        new_webhook(f"https://127.0.0.1:{silent.getsockname()[1]}/")
        publish()
        deliver_due()
    assert only_delivery().error == "timeout"


def test_one_slow_server_does_not_delay_another(receiver, tls, new_webhook, short_limits):
    with serving(Receiver(tls[0])) as fast:
        receiver.response = hang
        new_webhook(url_of(receiver))
        new_webhook(url_of(fast))
        for number in range(5):
            publish(number)
        deliver_due()
        assert len(fast.requests) == 5
        assert len(receiver.requests) == 1  # its failure counts for all that wait
    slow = Delivery.objects.filter(status="pending")
    assert [(each.attempts, each.error) for each in slow] == [(1, "timeout")] * 5


def test_a_certificate_of_an_unknown_authority_is_refused(receiver, new_webhook, configure):
    new_webhook(url_of(receiver))
    configure(ca_file="")
    publish()
    deliver_due()
    assert (receiver.requests, only_delivery().error) == ([], "tls_failed")


LOOPBACK_FORMS = ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]"]


@pytest.mark.parametrize("host", LOOPBACK_FORMS)
def test_a_private_address_gets_no_connection(receiver, new_webhook, configure, host):
    """Created while the network was allowed, so that only the delivery can refuse it."""
    new_webhook(url_of(receiver, host))
    configure(allowed_networks=())
    publish()
    deliver_due()
    assert only_delivery().error == "address_not_allowed"
    assert receiver.requests == []


def test_every_address_of_a_name_must_be_allowed_and_the_connection_goes_to_a_checked_one(
    receiver, new_webhook, monkeypatch
):
    """A name with a public and a private address, and one that changes after the check (DNS rebinding)."""
    new_webhook(f"https://hooks.example.org:{receiver.port}/")
    entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    addresses = [[(*entry, ("192.0.43.8", 443)), (*entry, ("10.0.0.7", 443))]]
    resolved = []

    def resolve(host, port, *_arguments, **_options):
        resolved.append(host)
        if host == "hooks.example.org":
            return addresses[0]
        return [(*entry, (host, port))]  # the address of a pinned connection

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    publish()
    deliver_due()
    assert only_delivery().error == "address_not_allowed"
    addresses[0] = [(*entry, ("127.0.0.1", 443))]
    make_due()
    deliver_due()
    assert resolved == ["hooks.example.org", "hooks.example.org", "127.0.0.1"]
    assert only_delivery().error == "tls_failed"  # the certificate does not name the host


def test_a_name_that_does_not_exist_is_an_error_of_its_own(new_webhook):
    new_webhook("https://no-such-host.invalid/")
    publish()
    deliver_due()
    assert only_delivery().error == "name_not_resolved"


def test_a_proxy_of_the_environment_is_not_used(receiver, new_webhook, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    new_webhook(url_of(receiver))
    publish()
    deliver_due()
    assert only_delivery().status == "succeeded"


def test_an_altered_webhook_sends_nothing(receiver, new_webhook, caplog):
    caplog.set_level(logging.CRITICAL)
    new_webhook("https://hooks.example.org/")
    Webhook.objects.update(url=url_of(receiver))
    publish()
    deliver_due()
    assert (only_delivery().status, only_delivery().error) == ("failed", "integrity_failed")
    assert receiver.requests == []


def test_a_webhook_that_becomes_inactive_gets_nothing_more(receiver, new_webhook, admin):
    webhook = new_webhook(url_of(receiver)).webhook
    publish()
    receiver.response = 500
    deliver_due()
    webhooks.update_webhook(principal=admin.principal, webhook_id=webhook.id, changes={"is_active": False})
    assert (only_delivery().status, only_delivery().error) == ("failed", "webhook_inactive")


def test_a_worker_that_died_loses_nothing_and_its_late_result_does_not_count(receiver, new_webhook):
    new_webhook(url_of(receiver))
    publish()
    claims_of = only_claim()
    deliver_due()
    assert receiver.requests == []  # the lease of the dead worker holds
    Delivery.objects.update(lease_until=database_now() - timedelta(seconds=1))
    deliver_due()
    assert only_delivery().status == "succeeded"
    holder, rows = claims_of
    claims.fail(holder, rows, "internal")
    assert only_delivery().status == "succeeded"


def only_claim():
    from uuid import uuid4  # noqa: PLC0415

    from notifications.services.distribution import distribute  # noqa: PLC0415

    distribute()
    holder = uuid4()
    ((row,),) = claims.claim_due(holder)
    return holder, [row]


def test_workers_that_run_at_once_send_each_notification_once(receiver, new_webhook):
    new_webhook(url_of(receiver))
    for number in range(30):
        publish(number)

    def run():
        try:
            deliver_due()
        finally:
            connection.close()

    workers = [threading.Thread(target=run) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    deliver_due()
    ids = [headers["webhook-id"] for headers, _ in receiver.requests]
    assert len(ids) == len(set(ids)) == 30
    assert not Delivery.objects.exclude(status=DeliveryStatus.SUCCEEDED.value).exists()


def test_no_transaction_is_open_during_a_request(receiver, new_webhook):
    new_webhook(url_of(receiver))
    publish()
    written = []

    def write(handler):
        publish(2)  # on SQLite, it would wait for an open transaction
        connection.close()
        written.append(True)
        handler.send_response(204)
        handler.end_headers()

    receiver.response = write
    deliver_due()
    assert written == [True]
    assert Delivery.objects.filter(status="succeeded").count() == 1
