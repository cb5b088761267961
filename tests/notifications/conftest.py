from dataclasses import replace

import pytest

from kernel.outbox import publishing
from kernel.outbox.models import Notification
from notifications.models import Delivery
from notifications.services import webhooks
from tests.notifications.servers import MailServer, Receiver, server_context, serving

LOOPBACK = ("127.0.0.0/8", "::1/128")
TOPICS = ["job.failed", "key.expiring"]


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    """The context of a server, and the file of its authority."""
    return server_context(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def configure(settings):
    """Change some settings of notifications."""

    def change(**values):
        settings.CC_NOTIFICATIONS = replace(settings.CC_NOTIFICATIONS, **values)

    return change


@pytest.fixture
def receiver(tls, configure):
    """An HTTPS server on loopback, which the settings allow."""
    configure(allowed_networks=LOOPBACK, ca_file=tls[1])
    with serving(Receiver(tls[0])) as server:
        yield server


@pytest.fixture
def mail_server(configure):
    with serving(MailServer()) as server:
        configure(
            smtp_host="127.0.0.1",
            smtp_port=server.port,
            smtp_security="none",
            sender="keys@example.org",
            emails=("ops@example.org",),
        )
        yield server


@pytest.fixture
def new_webhook(admin):
    def create(url, topics=TOPICS):
        return webhooks.create_webhook(principal=admin.principal, name="chat", url=url, topics=topics)

    return create


def publish(number=1, topic="job.failed", **facts):
    facts = {"kind": "export", "error_code": "internal", **facts}
    publishing.publish(publishing.Announcement(topic=topic, dedup_key=f"test:{topic}:{number}", facts=facts))
    return Notification.objects.get(dedup_key=f"test:{topic}:{number}")


def only_delivery():
    return Delivery.objects.get()
