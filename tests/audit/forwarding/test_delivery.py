"""Entries reach a log target in order, at least once, and the receiver can verify them."""

import json
import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connections

from audit.forwarding import batches, delivering, leases, running
from audit.forwarding.leases import LEASE
from audit.models import AuditAlarm, AuditLog, LogTarget
from audit.sequencing.alarms import AlarmKind
from audit.sequencing.checkpoints.signing_keys import trusted_keys
from audit.sequencing.tree import read_tree
from audit.services import log_targets
from campaigns.forwarding.receiving import Verified
from kernel.clock import database_now
from kernel.trust.row_mac import IntegrityFailed
from tests.audit.forwarding.conftest import is_due, retry, run, write
from tests.tampering.altering import execute, without_triggers
from tests.tampering.writing import sequence, sign
from tests.waiting import SOON, wait_until

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(delivering, "MOST_ENTRIES", 16)


def bodies(receiver):
    return [body for _, body in receiver.requests]


def verified(receiver):
    found = Verified(trusted_keys())
    for body in bodies(receiver):
        found.take(body)
    return found


def ids(receiver):
    lines = [json.loads(line) for body in bodies(receiver) for line in body.splitlines()]
    return [line["id"] for line in lines if "checkpoint" not in line]


def altered(**columns):
    """Alter the row in the middle of the log; return its id."""
    log_id = AuditLog.objects.order_by("id")[20].id
    [(name, value)] = columns.items()
    with without_triggers():
        execute(f"UPDATE audit_logs SET {name} = %s WHERE id = %s", [value, log_id])  # noqa: S608 - constants
    return log_id


def test_a_receiver_verifies_the_whole_log_with_its_checkpoints(log, receiver, new_target, small_batches):
    target = new_target(receiver.url, credential="Bearer s3cret")

    done = run(target)

    found = verified(receiver)
    assert (found.end, found.duplicates) == (read_tree().size, 0) == (done.size, 0)
    assert found.batches == -(-done.size // 16) > 2
    assert {headers["authorization"] for headers, _ in receiver.requests} == {"Bearer s3cret"}
    assert (done.failures, done.last_error, done.lease_holder) == (0, "", None)
    assert done.last_success_at


def test_only_signed_entries_are_delivered_and_each_once(log, receiver, new_target):
    first = run(new_target(receiver.url))
    log.change()
    sequence()
    assert run(first).size == first.size
    sign()
    assert run(first).size > first.size
    assert verified(receiver).duplicates == 0


def test_a_new_target_gets_new_entries_only_and_can_verify_them(log, receiver, new_target):
    old = read_tree().size
    target = new_target(receiver.url, size=None)
    run(target)
    assert receiver.requests == []
    write(log)
    run(target)
    assert verified(receiver).end == read_tree().size
    assert ids(receiver)[0] == AuditLog.objects.order_by("id")[old].id


def test_a_batch_has_a_limit_of_bytes(log, receiver, new_target, monkeypatch):
    monkeypatch.setattr(batches, "MOST_BYTES", 4_000)
    run(new_target(receiver.url))
    assert max(sum(map(len, body.splitlines()[:-1])) for body in bodies(receiver)) <= 4_000
    monkeypatch.setattr(batches, "MOST_BYTES", 1)  # an entry can be larger than the limit
    receiver.requests.clear()
    for _ in range(3):
        log.change()
    sequence()
    sign()
    assert run(LogTarget.objects.get()).size == read_tree().size
    assert verified(receiver).batches >= 3


def test_a_refused_batch_is_repeated_smaller_after_a_pause(log, receiver, new_target, small_batches):
    target = new_target(receiver.url)
    receiver.response = 503

    failed = run(target)

    assert (failed.size, failed.failures) == (0, 1)
    assert failed.last_error == "The receiver refused the entries (503)."
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
    found = verified(receiver)
    assert found.end == done.size == read_tree().size
    assert found.duplicates == 16 + 8  # the receiver had stored what it refused
    assert [json.loads(body.splitlines()[-1])["entries"] for body in bodies(receiver)][:4] == [16, 8, 4, 16]


def test_another_worker_cannot_deliver_meanwhile_and_takes_over_after_the_lease(
    log, receiver, new_target, small_batches
):
    target = new_target(receiver.url)
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
    leases.write_failure(slow, "too late")
    leases.release(slow)
    stored = LogTarget.objects.get(pk=target.pk).check_mac()
    assert (stored.size, stored.failures) == (done.size, 0)


def test_a_position_that_a_person_resets_during_a_delivery_stays(log, receiver, new_target, admin):
    target = new_target(receiver.url)

    def reset(handler):
        log_targets.reset_position(principal=admin.principal, target_id=target.id, size=3)
        handler.send_response(204)
        handler.end_headers()

    receiver.response = lambda handler: in_thread(lambda: reset(handler))
    assert run(target).size == 3


def test_a_target_that_is_disabled_during_a_delivery_gets_nothing_more(
    log, receiver, new_target, admin, small_batches
):
    target = new_target(receiver.url)

    def disable(handler):
        log_targets.disable_log_target(principal=admin.principal, target_id=target.id)
        handler.send_response(204)
        handler.end_headers()

    receiver.response = lambda handler: in_thread(lambda: disable(handler))
    done = run(target)
    assert len(receiver.requests) == 1
    assert (done.size, done.status) == (16, "disabled")  # what was delivered is not delivered again
    assert not is_due(done)
    assert run(done).size == 16


def test_an_altered_entry_is_delivered_with_its_mark_and_an_alarm(log, receiver, new_target):
    log_id = altered(object_id="forged")
    done = run(new_target(receiver.url))
    assert done.size == read_tree().size
    [body] = bodies(receiver)
    marked = [line for line in map(json.loads, body.splitlines()) if "integrity" in line]
    assert [(line["id"], line["object_id"], line["integrity"]) for line in marked] == [
        (log_id, "forged", "altered")
    ]
    assert AuditAlarm.objects.get(kind=AlarmKind.ENTRY_ALTERED).log_id == log_id


def test_a_missing_entry_raises_an_alarm_and_blocks_nothing(log, receiver, new_target):
    log_id = AuditLog.objects.order_by("id")[20].id
    with without_triggers():
        execute("DELETE FROM audit_logs WHERE id = %s", [log_id])
    done = run(new_target(receiver.url, format="ecs"))
    assert done.size == read_tree().size
    assert len(bodies(receiver)[0].splitlines()) == done.size - 1
    alarm = AuditAlarm.objects.get(kind=AlarmKind.ENTRY_ALTERED)
    assert (alarm.log_id, alarm.found) == (log_id, "no row")


def test_a_filter_by_action_and_outcome_moves_the_position_too(log, receiver, new_target):
    chosen = AuditLog.objects.filter(action__startswith="crypto.", outcome="denied").order_by("id")
    values = {"actions": ["crypto."], "outcomes": ["denied"], "format": "json"}
    done = run(new_target(receiver.url, **values))
    assert done.size == read_tree().size
    assert not done.is_verifiable
    assert ids(receiver) == list(chosen.values_list("id", flat=True)) != []
    receiver.requests.clear()
    log.change()
    sequence()
    after = run(done)
    assert after.size == read_tree().size > done.size
    assert receiver.requests == []
    assert after.last_success_at == done.last_success_at


def test_a_target_whose_receiver_has_more_than_the_log_stops_until_a_reset(log, receiver, new_target, admin):
    target = run(new_target(receiver.url))
    target.root = "A" * 43 + "="
    target.save_with_mac(["root"])
    receiver.requests.clear()
    log.change()
    sequence()
    sign()

    stopped = run(target)

    assert stopped.status == "stopped"
    assert "older database" in stopped.stopped_reason
    assert not is_due(stopped)
    run(stopped)
    assert receiver.requests == []
    assert AuditAlarm.objects.filter(kind=AlarmKind.LOG_TARGET_STOPPED).count() == 1

    log_targets.reset_position(principal=admin.principal, target_id=target.id, size=0)
    assert run(target).status == "active"
    assert verified(receiver).end == AuditLog.objects.count()


def test_an_altered_row_delivers_nothing(log, receiver, new_target):
    target = new_target(receiver.url)
    LogTarget.objects.filter(pk=target.pk).update(size=10)
    deliver_altered = delivering.deliver(target.id, uuid4(), lambda is_idle: is_idle)
    assert deliver_altered is None
    stored = LogTarget.objects.get()
    assert receiver.requests == []
    assert (stored.size, stored.last_error) == (10, "The stored log target was altered.")


def test_a_pause_has_a_limit(log, receiver, new_target):
    target = new_target(receiver.url)
    LogTarget.objects.update(failures=40)
    receiver.response = 503
    failed = run(target)
    assert timedelta(seconds=55) < failed.next_attempt_at - database_now() <= timedelta(seconds=60)
    assert json.loads(bodies(receiver)[0].splitlines()[-1])["entries"] == 1


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


def test_nothing_is_delivered_before_the_first_checkpoint(log, receiver, new_target):
    with without_triggers():
        execute("DELETE FROM audit_checkpoints")
    assert run(new_target(receiver.url)).size == 0
    assert run(new_target(receiver.url, name="other", format="ecs")).size == read_tree().size


def test_a_checkpoint_or_a_credential_that_cannot_be_read_is_named(log, receiver, new_target):
    target = new_target(receiver.url, credential="Bearer s3cret")
    target.kek_id = "00000000"
    target.save_with_mac(["kek_id"])
    assert run(target).last_error == "The credential cannot be read. Enter it again."
    other = new_target(receiver.url, name="other")
    with without_triggers():
        execute("UPDATE audit_checkpoints SET note = 'forged'")
    assert run(other).last_error.startswith("Entries or the tree cannot be read.")
    assert receiver.requests == []


def test_a_slow_receiver_delays_no_other_target(log, receiver, new_target, settings, tmp_path, monkeypatch):
    settings.CC_LOG_TARGET_FOLDER = str(tmp_path)
    monkeypatch.setattr(delivering, "_POLL_SECONDS", 0.01)
    slow = new_target(receiver.url)
    fast = new_target(f"file://{tmp_path}/log", name="file")
    began, released = threading.Event(), threading.Event()

    def hang(handler):
        began.set()
        released.wait(SOON)
        handler.send_response(204)
        handler.end_headers()

    receiver.response = hang
    thread = threading.Thread(target=in_thread, args=[running.forward_due])
    thread.start()
    try:
        assert began.wait(SOON)
        write(log)
        wait_until(lambda: LogTarget.objects.get(pk=fast.pk).size == read_tree().size)
        assert LogTarget.objects.get(pk=slow.pk).size == 0
    finally:
        released.set()
        thread.join(SOON)
    assert LogTarget.objects.get(pk=slow.pk).size == read_tree().size
    assert not LogTarget.objects.exclude(lease_holder=None).exists()


def in_thread(function):
    """Call the function in a thread that has no connection to the database yet."""
    try:
        function()
    finally:
        connections.close_all()
