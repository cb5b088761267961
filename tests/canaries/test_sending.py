"""Failures of one attempt become a word, which shows nothing of the channel. Without a database."""

import socket
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from canaries.delivery.sending import send
from canaries.documents import Channel, ChannelKind, Notice

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
NOTICE = Notice(id=uuid4(), at=NOON, topic="test", title="Test", text="Test.")


@pytest.fixture
def attempt():
    def send_to(kind, target, **members):
        channel = Channel(id=uuid4(), kind=kind, target=target, added_at=NOON, added_by="host", **members)
        return send(channel, NOTICE)

    return send_to


@pytest.fixture
def closed_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


def test_a_refused_email_is_a_failure(attempt, mail_server):
    assert attempt(ChannelKind.EMAIL, "officer@example.org") == ""
    mail_server.refuses = "550 no such user"
    assert attempt(ChannelKind.EMAIL, "officer@example.org") == "mail_refused"


@pytest.mark.parametrize("scheme", ["tls", "relp+tls"])
def test_a_closed_port_is_a_failure(scheme, attempt, closed_port, receiver):
    assert attempt(ChannelKind.SYSLOG, f"{scheme}://127.0.0.1:{closed_port}") == "connection_failed"


def test_an_address_that_is_no_longer_allowed_is_a_failure(attempt):
    assert attempt(ChannelKind.SYSLOG, "tls://127.0.0.1:9") == "address_not_allowed"


def test_an_error_is_logged_without_its_text(attempt, caplog):
    assert attempt(ChannelKind.WEBHOOK, "https://hooks.example.org/", secret="broken") == "internal"
    assert caplog.messages == ["a delivery failed: Error"]
