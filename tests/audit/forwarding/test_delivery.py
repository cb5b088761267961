"""Entries reach a log target in order, at least once, and the receiver can verify them."""

import json
import threading
from datetime import timedelta
from uuid import uuid4

import pytest

from audit.forwarding import batches, delivering, running
from audit.log.events import META_LIMIT
from audit.log.raw_rows import timestamp_of
from audit.models import AuditAlarm, AuditLog, LogTarget
from audit.sequencing.alarms import AlarmKind
from audit.sequencing.tree import read_tree
from audit.services import log_targets
from kernel.clock import process_now
from tests.audit.forwarding.conftest import bodies, in_thread, is_due, lines_of, respond, run, verified, write
from tests.tampering.altering import execute, without_triggers
from tests.tampering.writing import sequence, sign
from tests.waiting import SOON, wait_until

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def ids(receiver):
    found = map(json.loads, lines_of(receiver))
    return [line["id"] for line in found if "checkpoint" not in line]


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

    found = verified(lines_of(receiver))
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
    assert verified(lines_of(receiver)).duplicates == 0


def test_a_new_target_gets_new_entries_only_and_can_verify_them(log, receiver, new_target):
    old = read_tree().size
    target = new_target(receiver.url, size=None)
    run(target)
    assert receiver.requests == []
    write(log)
    run(target)
    assert verified(lines_of(receiver)).end == read_tree().size
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
    assert verified(lines_of(receiver)).batches >= 3


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


def test_no_receiver_has_to_refuse_an_altered_entry(log, new_target):
    altered(meta="x" * 10**6)
    target = new_target("https://siem.example.org/", size=0)
    batch = batches.next_batch(target)
    [message] = [each for each in batch.messages if b'"integrity"' in each.octets]
    assert len(message.octets) < META_LIMIT + 2_000
    assert message.event_id == ""
    assert process_now() - timestamp_of(message.timestamp) < timedelta(minutes=1)


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
    assert verified(lines_of(receiver)).end == AuditLog.objects.count()


def test_an_altered_row_delivers_nothing(log, receiver, new_target):
    target = new_target(receiver.url)
    LogTarget.objects.filter(pk=target.pk).update(size=10)
    delivering.deliver(target.id, uuid4(), lambda is_idle: is_idle)
    stored = LogTarget.objects.get()
    assert receiver.requests == []
    assert (stored.size, stored.last_error) == (10, "The stored log target was altered.")


def test_an_unexpected_error_is_a_failure_with_a_pause(log, receiver, new_target):
    target = new_target(receiver.url)
    target.actions = [5]
    target.save_with_mac(["actions"])
    failed = run(target)
    assert (failed.status, failed.failures, failed.lease_holder) == ("failing", 1, None)
    assert failed.last_error == "Internal error. The log of the worker has the reason."
    assert not is_due(failed)
    assert receiver.requests == []


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
        respond(204)(handler)

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
