"""Entries reach a log target in order, at least once, and the receiver can verify them."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest

from audit.forwarding import batches, leases
from audit.forwarding.delivering import deliver
from audit.forwarding.leases import LEASE
from audit.models import AuditAlarm, AuditLog, LogTarget
from audit.sequencing.alarms import AlarmKind
from audit.sequencing.checkpoints.signing_keys import trusted_keys
from audit.sequencing.tree import read_tree
from audit.services import log_targets
from campaigns.forwarding.receiving import Verified
from kernel.clock import database_now
from tests.audit.archive.archived import write_log
from tests.audit.forwarding.conftest import is_due, retry, run
from tests.tampering.altering import execute, without_triggers
from tests.tampering.writing import sequence, sign

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def log(settings):
    return write_log(settings)


def bodies(receiver):
    return [body for _, body in receiver.requests]


def verified(receiver):
    found = Verified(trusted_keys())
    for body in bodies(receiver):
        found.take(body)
    return found


def test_a_receiver_verifies_the_whole_log_with_its_checkpoints(log, receiver, new_target, monkeypatch):
    monkeypatch.setattr(batches, "MOST_ENTRIES", 50)
    monkeypatch.setattr("audit.forwarding.delivering.MOST_ENTRIES", 50)
    target = new_target(receiver.url, credential="Bearer s3cret")
    done = run(target)

    found = verified(receiver)
    assert (found.end, found.duplicates) == (done.size, 0) == (read_tree().size, 0)
    assert found.batches == -(-done.size // 50) > 3
    assert {headers["authorization"] for headers, _ in receiver.requests} == {"Bearer s3cret"}
    assert (done.failures, done.last_error, done.lease_holder) == (0, "", None)
    assert done.last_success_at

    log.change()
    sequence()
    assert run(target).size == done.size  # not signed yet
    sign()
    assert run(target).size > done.size
    verified(receiver)
