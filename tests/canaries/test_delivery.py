"""Notices reach real servers: at least once, and on time."""

import base64
import hashlib
import hmac
import json
import math
from datetime import timedelta
from uuid import uuid4

import pytest

from canaries.delivery.claims import LEASE, MOST_CLAIMED, claim, due_channels
from canaries.delivery.delivering import deliver, deliver_notices, send_in_order
from canaries.delivery.duties import HEARTBEAT_PERIOD, WatchLag, queue_due
from canaries.delivery.sending import send
from canaries.documents import HOST, ChannelKind, Incidents
from canaries.models import JournalPage, LogPosition
from canaries.notices import queue_text
from canaries.sealed.store import changing, read_incidents
from canaries.services.channels import add_channel, list_channels, remove_channel, send_test
from kernel.clock import database_now
from tests.audit.forwarding.servers import CountingServer, RelpServer
from tests.clocks import travel
from tests.log_entries import log_rows
from tests.notifications.servers import serving
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def webhook(sealed, receiver):
    """A channel without waiting notices."""
    url = f"https://localhost:{receiver.port}/hook?token=of-the-path"
    added = add_channel(by=HOST, kind=ChannelKind.WEBHOOK, target=url)
    settle_all()
    return added


def settle_all():
    """Deliver what is due now, and forget the requests."""
    for channel_id in due_channels(read_incidents(), database_now()):
        deliver(channel_id)


def queue_notices(channel, number):
    with changing() as change:
        for _ in range(number):
            queue_text(change, "test", "Test", "", [channel])


def types_of(receiver):
    return [json.loads(body)["type"] for _, body in receiver.requests]


def state_of(channel_id):
    return next(each for each in list_channels() if each.channel.id == channel_id)


def test_a_touch_reaches_each_kind_of_channel(
    planted, key, watch, developer, webhook, receiver, mail_server, tls
):
    add_channel(by=HOST, kind=ChannelKind.EMAIL, target="officer@example.org")
    with serving(CountingServer(tls[0])) as syslog, serving(RelpServer(tls[0])) as relp:
        add_channel(by=HOST, kind=ChannelKind.SYSLOG, target=f"tls://localhost:{syslog.port}")
        add_channel(by=HOST, kind=ChannelKind.SYSLOG, target=f"relp+tls://localhost:{relp.port}")
        settle_all()
        developer.api.get(f"/api/v1/keys/{key['id']}")
        body = {"key_id": key["id"], "algorithm": "aes-256-gcm", "data": "aGk="}
        assert developer.api.post("/api/v1/encrypt", body).status == 200
        watch()
        settle_all()
        wait_until(lambda: len(syslog.messages) == 3)
        lines = [syslog.messages[-1], relp.messages[-1]]
    [incident] = read_incidents().incidents
    headers, sent = receiver.requests[-1]
    secret = base64.b64decode(webhook.secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + sent
    expected = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    document = json.loads(sent)
    assert (document["type"], document.keys()) == ("canary.touched", {"type", "timestamp", "data"})
    data = document["data"]
    assert (data["incident"], data["severity"]) == (str(incident.id), "critical")
    assert (data["title"], data["url"][-10:]) == ("Canary touched: key payroll", "/canaries/")
    assert data["first"]["action"] == "crypto.message.encrypted"
    recipient, message = mail_server.messages[-1]
    assert recipient == "officer@example.org"
    assert message["Subject"] == "[CipherCanary] Canary touched: key payroll"
    text = message.get_content()
    assert all(
        part in text for part in ("key payroll (the wiki)", str(incident.id), "Next steps:", "/canaries/")
    )
    for line in lines:
        assert line.startswith(b"<106>1 ")
        assert b" canary.touched - Canary touched: key payroll (the wiki). " in line
        assert b"\n" not in line
    assert read_incidents().notices == []
    assert {each.state.error for each in list_channels()} == {""}


def test_a_killed_worker_repeats_one_notice_with_its_id_after_the_lease(webhook, receiver):
    receiver.requests.clear()
    send_test(by=HOST, channel_id=webhook.channel.id)
    with changing() as change:
        channel, [notice] = claim(change, webhook.channel.id, uuid4())
    assert send(channel, notice) == ""  # and now the worker is killed
    deliver(webhook.channel.id)
    assert len(receiver.requests) == 1
    with travel(database_now() + LEASE + timedelta(seconds=1)):
        deliver(webhook.channel.id)
        deliver(webhook.channel.id)
    first, second = [headers["webhook-id"] for headers, _ in receiver.requests]
    assert first == second


def test_a_turn_ends_with_its_time_or_with_a_failure(webhook, receiver):
    queue_notices(webhook.channel, 2)
    notices = read_incidents().notices
    assert list(send_in_order(webhook.channel, notices, until=0.0).values()) == [""]
    assert list(send_in_order(webhook.channel, notices, until=math.inf).values()) == ["", ""]
    receiver.response = 503
    assert list(send_in_order(webhook.channel, notices, until=math.inf).values()) == ["status_not_ok"]


def test_a_delivery_sends_more_notices_than_one_claim_has(webhook, receiver):
    queue_notices(webhook.channel, MOST_CLAIMED + 1)
    sent = [str(notice.id) for notice in read_incidents().notices]
    receiver.requests.clear()
    deliver(webhook.channel.id)
    assert [headers["webhook-id"] for headers, _ in receiver.requests] == sent


def test_a_failing_channel_is_retried_and_others_have_a_notice(webhook, receiver, mail_server):
    email = add_channel(by=HOST, kind=ChannelKind.EMAIL, target="officer@example.org").channel
    settle_all()
    receiver.response = 503
    for _ in range(3):
        send_test(by=HOST, channel_id=webhook.channel.id)  # a test does not wait for the pause
        deliver(webhook.channel.id)
    listed = state_of(webhook.channel.id)
    assert (listed.state.failures, listed.state.error, listed.waiting) == (3, "status_not_ok", 1)
    deliver(email.id)
    assert mail_server.messages[-1][1]["Subject"].endswith(f"https://localhost:{receiver.port} fails")
    assert "of-the-path" not in mail_server.messages[-1][1].as_string()
    receiver.response = 204
    with travel(database_now() + timedelta(seconds=9)):
        deliver(webhook.channel.id)
        deliver(email.id)
    assert mail_server.messages[-1][1]["Subject"].endswith("works again")


def test_a_channel_that_hangs_delays_no_other_one(webhook, receiver, mail_server):
    receiver.response = lambda handler: handler.server.released.wait(30)
    send_test(by=HOST, channel_id=webhook.channel.id)
    email = add_channel(by=HOST, kind=ChannelKind.EMAIL, target="officer@example.org").channel
    deliver_notices()
    wait_until(lambda: len(mail_server.messages) == 2, 4)  # less than the limit of a response
    assert mail_server.messages[-1][1]["Subject"].endswith("Heartbeat")
    assert state_of(webhook.channel.id).state.lease_until
    receiver.released.set()
    wait_until(lambda: state_of(webhook.channel.id).state.lease_until is None)
    wait_until(lambda: state_of(email.id).waiting == 0)


def test_removed_settings_of_the_mail_server_are_a_failure(sealed, mail_server, configure):
    email = add_channel(by=HOST, kind=ChannelKind.EMAIL, target="officer@example.org").channel
    configure(smtp_host="")
    deliver(email.id)
    assert state_of(email.id).state.error == "not_configured"


def test_each_channel_gets_one_heartbeat_a_day(sealed, receiver, mail_server):
    queue_due()
    assert read_incidents().heartbeat_at is None
    email = add_channel(by=HOST, kind=ChannelKind.EMAIL, target="officer@example.org").channel
    began = database_now()
    for after in (
        timedelta(),
        HEARTBEAT_PERIOD - timedelta(seconds=5),
        HEARTBEAT_PERIOD + timedelta(seconds=5),
    ):
        with travel(began + after):
            queue_due()
            pages = JournalPage.objects.count()
            queue_due()
            assert JournalPage.objects.count() == pages
    topics = [notice.topic for notice in read_incidents().notices if email.id in notice.waiting]
    assert topics.count("heartbeat") == 1  # the second one has replaced the first
    settle_all()
    subjects = [message["Subject"] for _, message in mail_server.messages]
    assert subjects.count("[CipherCanary] Heartbeat") == 1


@pytest.mark.parametrize(
    ("unsequenced", "unwatched", "is_late", "changes"),
    [
        (60.0, 60.0, False, False),
        (60.1, 0.0, False, True),
        (0.0, 60.1, False, True),
        (10.0, 0.0, True, False),
        (9.9, 9.9, True, True),
    ],
)
def test_the_log_is_late_after_a_minute_until_it_is_on_time(unsequenced, unwatched, is_late, changes):
    assert WatchLag(unsequenced, unwatched).changes(Incidents(is_late=is_late)) is changes


@pytest.mark.parametrize(
    ("is_sequenced", "text"),
    [(False, "is not sequenced is 6"), (True, "was not searched for touches is 6")],
)
def test_a_late_log_is_one_notice_until_it_recovers(is_sequenced, text, webhook, receiver, watch, developer):
    queue_due()
    settle_all()
    watch()
    receiver.requests.clear()
    developer.api.post("/api/v1/keys", {"name": "orders", "algorithm": "aes-256"})
    if is_sequenced:
        log_rows()
    with travel(database_now() + timedelta(seconds=62)):
        for _ in range(2):
            queue_due()
            settle_all()
        assert types_of(receiver) == ["log.late"]
        assert text in json.loads(receiver.requests[0][1])["data"]["text"]
        watch()
        queue_due()
        settle_all()
    assert types_of(receiver) == ["log.late", "log.recovered"]


@pytest.mark.parametrize("harm", [lambda rows: rows.update(last_id=999), lambda rows: rows.delete()])
def test_an_altered_or_removed_position_is_a_notice(harm, webhook, receiver, watch):
    watch()
    harm(LogPosition.objects.all())
    queue_due()
    settle_all()
    [late] = [json.loads(body) for _, body in receiver.requests if b'"log.late"' in body]
    assert "Someone altered or removed the position of the watcher." in late["data"]["text"]


def test_a_removed_channel_gets_what_waits_and_the_notice_of_its_removal_last(webhook, receiver):
    receiver.requests.clear()
    send_test(by=HOST, channel_id=webhook.channel.id)
    remove_channel(by=HOST, channel_id=webhook.channel.id)
    assert list_channels() == []
    settle_all()
    assert types_of(receiver) == ["channel.test", "channel.removed"]
    left = read_incidents()
    assert (left.notices, left.leaving, left.channel_states) == ([], [], {})


def test_the_others_get_a_notice_of_a_removed_channel(webhook, mail_server):
    add_channel(by=HOST, kind=ChannelKind.EMAIL, target="officer@example.org")
    remove_channel(by=HOST, channel_id=webhook.channel.id)
    settle_all()
    assert mail_server.messages[-1][1]["Subject"].endswith("was removed")
