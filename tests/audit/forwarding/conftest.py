from dataclasses import replace
from uuid import uuid4

import pytest

from audit.forwarding import leases
from audit.forwarding.delivering import deliver
from audit.models import LogTarget
from audit.services import log_targets
from tests.notifications.servers import Receiver, server_context, serving

LOOPBACK = ("127.0.0.0/8", "::1/128")


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    """The context of a server, and the file of its authority."""
    return server_context(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def loopback(settings):
    settings.CC_NOTIFICATIONS = replace(settings.CC_NOTIFICATIONS, allowed_networks=LOOPBACK)


@pytest.fixture
def receiver(tls, loopback):
    """An HTTPS server on loopback, which the settings allow."""
    with serving(Receiver(tls[0])) as server:
        server.url = f"https://127.0.0.1:{server.port}/T0KEN"
        yield server


@pytest.fixture
def new_target(admin, tls):
    """Create a target that gets the whole log."""

    def create(url, *, size=0, **values):
        if url.startswith(("https", "relp+tls", "tls")):
            with open(tls[1]) as file:
                values = {"ca": file.read(), **values}
        return log_targets.create_log_target(
            principal=admin.principal, values={"name": "siem", "url": url, **values}, size=size
        )

    return create


def run(target):
    """Deliver until there is no new entry, or until a failure. Returns the row."""
    deliver(target.id, uuid4(), lambda is_idle: is_idle)
    return LogTarget.objects.get(pk=target.id).check_mac()


def retry(target):
    """Deliver again without the pause after a failure."""
    LogTarget.objects.filter(pk=target.pk).update(next_attempt_at=None)
    return run(target)


def is_due(target):
    return target.id in leases.due_ids()
