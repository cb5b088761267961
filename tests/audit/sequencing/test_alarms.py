"""Sequencing detects faults of single entries and reports each in three ways, without stopping."""

import json
import uuid

import pytest
from prometheus_client import REGISTRY

from audit import actions
from audit.log.events import Event
from audit.models import AuditAlarm, AuditLeaf, AuditLog
from audit.sequencing.step import sequence_step
from audit.services.alarms import RECORDED
from tests.audit.sequencing.log import (
    alarms,
    altered,
    assert_the_tree_is_that_of_the_rows,
    no_more_entries,
    sequence_all,
    write,
    write_many,
)

pytestmark = pytest.mark.django_db(transaction=True)


def counted(kind):
    return REGISTRY.get_sample_value("audit_alarms_total", {"kind": kind}) or 0.0


def without(*numbers, of):
    """Remove rows of a writer and their places in the queue of the sequencer."""
    for wseq in numbers:
        [log_id] = AuditLog.objects.filter(writer=of, wseq=wseq).values_list("id", flat=True)
        altered("DELETE FROM audit_pending WHERE log_id = %s", log_id)
        altered("DELETE FROM audit_logs WHERE id = %s", log_id)


def test_an_untouched_log_gives_no_alarm():
    for _ in range(3):
        write_many(30)
        write(4)
        sequence_all()

    assert alarms() == []


# --- MACs


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor_name", "'somebody else'"),
        ("meta", "'{}'"),
        ("count", "2"),
        ("object_version", "0"),
        ("mac", "'1.00000000.AAAA'"),
        ("mac", "''"),
        ("wseq", "1000000"),
    ],
)
def test_an_altered_row_is_reported(column, value, caplog):
    before = counted("mac_mismatch")
    event = Event(action="test.thing.done", meta={"a": 1})
    entry = write(3, event)
    altered(f"UPDATE audit_logs SET {column} = {value} WHERE id = {entry.id}")  # noqa: S608 - from the list above

    assert sequence_step() == 3
    [(code, meta)] = [alarm for alarm in alarms() if alarm[0] == "mac_mismatch"]
    assert (code, meta["log_id"], meta["writer"]) == ("mac_mismatch", entry.id, str(entry.writer))
    assert counted("mac_mismatch") == before + 1
    assert f"mac_mismatch at entry {entry.id}" in caplog.text
    assert_the_tree_is_that_of_the_rows()


def test_an_alarm_shows_error_and_names_the_entry():
    entry = write()
    altered("UPDATE audit_logs SET actor_name = 'x'")
    sequence_step()

    alarm = AuditLog.objects.get(action=actions.LOG_ALARMED)
    assert (alarm.outcome, alarm.code) == ("error", "mac_mismatch")
    assert (alarm.object_type, alarm.object_id) == ("entry", str(entry.id))
    assert (alarm.actor_type, alarm.actor_name, alarm.source) == ("system", "audit alarms", "scheduler")


def test_what_is_altered_after_it_was_sequenced_is_the_verifiers_to_find():
    write(3)
    sequence_step()
    altered("UPDATE audit_logs SET actor_name = 'x'")
    write()
    sequence_step()

    assert alarms() == []


# --- gaps


@pytest.mark.parametrize(
    ("removed", "expected", "found"),
    [([3], 3, 2), ([3, 4, 5], 5, 2), ([1], 1, 0), ([9], 9, 8)],
)
def test_a_number_that_is_missing_within_a_batch_is_reported(removed, expected, found):
    writer = write_many(10)
    without(*removed, of=writer)

    sequence_step()
    [(code, meta)] = alarms()
    follows = AuditLog.objects.get(writer=writer, wseq=removed[-1] + 1)
    assert code == "sequence_gap"
    assert meta == {
        "writer": str(writer),
        "expected": expected,
        "found": found,
        "log_id": follows.id,
    }


def test_a_number_that_is_missing_between_two_batches_is_told():
    writer = write_many(5)
    without(5, of=writer)
    sequence_step()
    assert alarms() == []
    write_many(3, writer, first=6)

    sequence_step()
    [(code, meta)] = alarms()
    assert (code, meta["writer"], meta["expected"], meta["found"]) == ("sequence_gap", str(writer), 5, 4)


def test_a_row_that_was_removed_after_it_was_sequenced_is_reported_by_the_next_of_its_writer():
    writer = write_many(5)
    sequence_step()
    altered("DELETE FROM audit_logs WHERE id = (SELECT max(id) FROM audit_logs)")
    write_many(1, writer, first=6)

    sequence_step()
    [(code, meta)] = alarms()
    assert (code, meta["expected"]) == ("sequence_gap", 5)


def test_writers_are_looked_at_one_by_one():
    writers = [write_many(4) for _ in range(230)]
    sequence_step()
    for writer in writers:
        write_many(2, writer, first=5)
    without(5, of=writers[7])
    without(5, of=writers[229])

    sequence_step()
    assert {(meta["writer"], meta["expected"]) for _, meta in alarms()} == {
        (str(writers[7]), 5),
        (str(writers[229]), 5),
    }


def heartbeat(**writers):
    return write(
        event=Event(
            action=actions.WRITER_HEARTBEAT, meta={"writers": {str(w): n for w, n in writers.items()}}
        )
    )


def test_a_heartbeat_that_shows_the_truth_is_no_alarm():
    writer = write_many(5)
    heartbeat(**{str(writer): 5})
    sequence_step()
    heartbeat(**{str(writer): 5})
    sequence_step()

    assert alarms() == []


def test_a_heartbeat_shows_rows_that_were_cut_off_the_end():
    writer = write_many(5)
    without(4, 5, of=writer)
    beat = heartbeat(**{str(writer): 5})

    sequence_step()
    [(code, meta)] = alarms()
    assert code == "sequence_gap"
    assert meta == {"writer": str(writer), "expected": 5, "found": 3, "log_id": beat.id}


def test_a_heartbeat_shows_a_writer_that_has_gone_altogether():
    writer = uuid.uuid4()
    heartbeat(**{str(writer): 3})

    sequence_step()
    [(code, meta)] = alarms()
    assert (code, meta["writer"], meta["expected"], meta["found"]) == ("sequence_gap", str(writer), 3, 0)


def test_a_forged_heartbeat_is_an_altered_row_and_no_more():
    beat = heartbeat(**{str(uuid.uuid4()): 1})
    altered("UPDATE audit_logs SET meta = %s WHERE id = %s", json.dumps({"writers": 5}), beat.id)

    assert sequence_step() == 1
    assert [code for code, _ in alarms()] == ["mac_mismatch"]


# --- missing rows


def test_a_row_that_has_gone_before_it_was_sequenced_is_reported():
    entry = write(3)
    altered("DELETE FROM audit_logs WHERE id = %s", entry.id)

    assert sequence_step() == 2
    [(code, meta)] = alarms()
    assert (code, meta["log_id"], meta["writer"]) == ("entry_missing", entry.id, None)
    assert_the_tree_is_that_of_the_rows()


# --- alarms are limited


def test_many_alarms_are_reported_in_one_entry_more():
    write_many(RECORDED + 30)
    altered("UPDATE audit_logs SET actor_name = 'x'")
    before = counted("mac_mismatch")

    sequence_step()
    rows = AuditLog.objects.filter(action=actions.LOG_ALARMED).order_by("id")
    assert [row.code for row in rows] == ["mac_mismatch"] * RECORDED + ["more_alarms"]
    assert rows[RECORDED].count == 30
    assert counted("mac_mismatch") == before + RECORDED + 30
    assert AuditLeaf.objects.count() == RECORDED + 30


def test_an_alarm_is_sequenced_and_that_is_the_end_of_it():
    write()
    altered("UPDATE audit_logs SET actor_name = 'x'")

    assert sequence_all() == 2
    assert len(alarms()) == 1
    assert_the_tree_is_that_of_the_rows()


def test_an_altered_entry_that_claims_to_be_of_an_alarm_is_reported_like_any_other():
    """Otherwise all such alarms but one per minute would go unreported."""
    ids = [write().id for _ in range(3)]
    altered("UPDATE audit_logs SET action = %s, actor_name = 'x'", actions.LOG_ALARMED)
    sequence_step()
    recorded = AuditAlarm.objects.filter(kind="mac_mismatch").values_list("log_id", flat=True)
    assert sorted(recorded) == ids


def test_an_alarm_that_cannot_be_put_on_record_does_not_stop_the_log(caplog):
    writer = write_many(5)
    without(3, of=writer)
    with no_more_entries():
        assert sequence_step() == 4
    assert "an alarm could not be put on record" in caplog.text
    assert alarms() == []
    assert_the_tree_is_that_of_the_rows()
