"""One worker at a time delivers to a log target, and pauses after a failure."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from audit.forwarding import batches, leases
from audit.forwarding.leases import LEASE
from audit.forwarding.transports import connections
from audit.models import LogTarget
from audit.sequencing.tree import read_tree
from audit.services import log_targets
from kernel.clock import database_now
from kernel.http import outgoing
from kernel.trust.row_mac import IntegrityFailed
from tests.audit.forwarding.conftest import bodies, in_thread, is_due, lines_of, respond, retry, run, verified

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def failures_of(target):
    """The metric, None if it is absent."""
    return REGISTRY.get_sample_value("log_target_failures_total", {"target": target.name})


def test_a_refused_batch_is_repeated_smaller_after_a_pause(log, receiver, new_target, small_batches):
    target = new_target(receiver.url)
    receiver.response = 503

    before = failures_of(target) or 0
    failed = run(target)

    assert (failed.size, failed.failures, failures_of(target)) == (0, 1, before + 1)
    assert failed.last_error == "The receiver rejected the entries (503)."
    assert (failed.status, failed.lease_holder) == ("failing", None)
    assert database_now() - failed.failing_since < timedelta(minutes=1)
    assert not is_due(failed)
    again = retry(failed)
    assert (again.failures, again.failing_since) == (2, failed.failing_since)
    assert timedelta(seconds=1) < again.next_attempt_at - database_now() <= timedelta(seconds=2)
    receiver.response = 200
    done = retry(again)
    assert (done.failures, done.last_error, done.failing_since, done.status) == (0, "", None, "active")
    assert done.next_attempt_at is None
    found = verified(lines_of(receiver))
    assert found.end == done.size == read_tree().size
    assert found.duplicates == 16 + 8  # the receiver had stored what it refused
    assert [json.loads(body.splitlines()[-1])["entries"] for body in bodies(receiver)][:4] == [16, 8, 4, 16]


def test_a_pause_has_a_limit(log, receiver, new_target):
    target = new_target(receiver.url)
    LogTarget.objects.update(failures=40)
    receiver.response = 503
    failed = run(target)
    assert timedelta(seconds=55) < failed.next_attempt_at - database_now() <= timedelta(seconds=60)
    assert json.loads(bodies(receiver)[0].splitlines()[-1])["entries"] == 1


def test_another_worker_cannot_deliver_meanwhile_and_takes_over_after_the_lease(
    log, receiver, new_target, small_batches
):
    target = new_target(receiver.url, name="slow")
    slow = leases.claim(target.id, uuid4())
    assert leases.claim(target.id, uuid4()) is None
    assert not is_due(target)
    run(target)
    assert receiver.requests == []

    batch = batches.next_batch(slow, 16)
    LogTarget.objects.filter(pk=target.pk).update(lease_until=database_now() - LEASE)
    assert is_due(target)
    done = run(target)
    for act in (lambda: leases.advance(slow, batch), lambda: leases.renew(slow)):
        with pytest.raises(leases.LeaseLost):
            act()
    assert failures_of(target) == 0
    leases.write_failure(slow, "too late")
    assert failures_of(target) == 0
    leases.release(slow)
    stored = LogTarget.objects.get(pk=target.pk).check_mac()
    assert (stored.size, stored.failures) == (done.size, 0)


def test_a_position_that_a_person_resets_during_a_delivery_stays(log, receiver, new_target, admin):
    target = new_target(receiver.url)

    def reset(handler):
        log_targets.reset_position(principal=admin.principal, target_id=target.id, size=3)
        respond(204)(handler)

    receiver.response = lambda handler: in_thread(lambda: reset(handler))
    assert run(target).size == 3


def test_a_target_that_is_disabled_during_a_delivery_gets_nothing_more(
    log, receiver, new_target, admin, small_batches
):
    target = new_target(receiver.url)

    def disable(handler):
        log_targets.disable_log_target(principal=admin.principal, target_id=target.id)
        respond(204)(handler)

    receiver.response = lambda handler: in_thread(lambda: disable(handler))
    done = run(target)
    assert len(receiver.requests) == 1
    assert (done.size, done.status) == (16, "disabled")  # what was delivered is not delivered again
    assert not is_due(done)
    assert run(done).size == 16


def test_a_change_or_an_alteration_ends_the_lease(log, receiver, new_target, admin):
    leased = leases.claim(new_target(receiver.url).id, uuid4())
    leases.renew(leased)
    assert LogTarget.objects.get().lease_until - database_now() > LEASE / 2
    log_targets.update_log_target(principal=admin.principal, target_id=leased.id, changes={"format": "ecs"})
    for act in (leases.renew, lambda target: leases.stop(target, "reason")):
        with pytest.raises(leases.LeaseLost):
            act(leased)
    assert LogTarget.objects.get().stopped_reason == ""
    LogTarget.objects.update(format="cef")
    with pytest.raises(IntegrityFailed):
        leases.advance(leased, batches.next_batch(leased))
    assert LogTarget.objects.get().size == 0


def test_a_lease_is_longer_than_an_exchange():
    """An exchange over HTTPS, until the headers of the response, and then its body."""
    exchanges = (connections.SEND_SECONDS, 2 * outgoing.TOTAL_SECONDS)
    assert 2 * max(exchanges) < LEASE.total_seconds()
