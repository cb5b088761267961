from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connections

from audit.forwarding import delivering, leases
from audit.forwarding.delivering import deliver
from audit.models import LogTarget
from audit.sequencing.checkpoints.signing_keys import trusted_keys
from audit.sequencing.head import HEAD_FILE
from audit.services import log_targets
from campaigns.forwarding.receiving import Verified
from kernel.clock import database_now
from tests.audit.sequencing.log import recreate_checkpoint_keys
from tests.notifications.servers import Receiver, server_context, serving
from tests.tampering.writing import Log, sequence, sign

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
            values = {"ca": Path(tls[1]).read_text(), **values}
        return log_targets.create_log_target(
            principal=admin.principal, values={"name": "siem", "url": url, **values}, size=size
        )

    return create


def run(target):
    """Deliver until there is no new entry, or until a failure. Returns the row."""
    deliver(target.id, uuid4(), lambda is_idle: is_idle)
    return LogTarget.objects.get(pk=target.id).check_mac()


def retry(target):
    """Deliver again as if the pause after the failure were over."""
    LogTarget.objects.filter(pk=target.pk).update(next_attempt_at=database_now())
    assert is_due(target)
    return run(target)


def is_due(target):
    return target.id in leases.due_ids()


@pytest.fixture
def log(settings):
    """About 50 signed entries."""
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)  # of a test with a longer log
    recreate_checkpoint_keys()
    log = Log(seed=5)
    write(log)
    yield log
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)


def write(log):
    log.operate(40)
    log.change(rows=1)
    sequence()
    sign()


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(delivering, "MOST_ENTRIES", 16)


def bodies(receiver):
    return [body for _, body in receiver.requests]


def lines_of(receiver):
    return [line for body in bodies(receiver) for line in body.splitlines()]


def verified(messages):
    """Verify the batches, each of which ends with a checkpoint."""
    found, batch = Verified(trusted_keys()), []
    for message in messages:
        batch.append(message)
        if b'"checkpoint":' in message:
            found.take(b"\n".join(batch))
            batch.clear()
    assert batch == []
    return found


def respond(status, body=b""):
    def response(handler):
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return response


def in_thread(function):
    """Call the function in a thread that has no connection to the database yet."""
    try:
        function()
    finally:
        connections.close_all()
