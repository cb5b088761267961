"""Sequencing detects faults of bundles and reports each in three ways, without stopping."""

import uuid

import pytest
from prometheus_client import REGISTRY

from audit import actions
from audit.models import AuditBundle, AuditLog
from audit.sequencing.bundles.step import sequence_step
from audit.services.alarms import RECORDED
from tests.audit.sequencing.log import (
    alarms,
    altered,
    assert_the_tree_is_that_of_the_rows,
    heartbeat,
    no_more_entries,
    sequence_all,
    without,
    write,
    write_many,
    write_singly,
)

pytestmark = pytest.mark.django_db(transaction=True)


def counted(kind):
    return REGISTRY.get_sample_value("audit_alarms_total", {"kind": kind}) or 0.0


def alter_bundles(**columns):
    """Alter the body of all waiting bundles."""
    for bundle in AuditBundle.objects.all():
        bundle.body = bytes(bundle.body).replace(b'"test.thing.done"', b'"test.other.done"')
        for name, value in columns.items():
            setattr(bundle, name, value)
        bundle.save()


def test_an_untouched_log_gives_no_alarm():
    for _ in range(3):
        write_many(30)
        write(4)
        sequence_all()

    assert alarms() == []


# --- MACs


def test_an_altered_bundle_is_reported(caplog):
    before = counted("bundle_rejected")
    write_many(3)
    alter_bundles()

    assert sequence_step() == 0
    sequence_all()
    [(code, meta)] = alarms()
    bundle = AuditBundle.objects.get()
    assert (code, meta["log_id"], meta["writer"]) == ("bundle_rejected", None, str(bundle.writer))
    assert counted("bundle_rejected") == before + 1
    assert f"bundle {bundle.id} of writer" in meta["found"]
    assert "bundle_rejected of writer" in caplog.text
    assert_the_tree_is_that_of_the_rows()


def test_an_alarm_shows_error_and_names_its_kind():
    write_many(1)
    alter_bundles()
    sequence_all()

    alarm = AuditLog.objects.get(action=actions.LOG_ALARMED)
    assert (alarm.outcome, alarm.code) == ("error", "bundle_rejected")
    assert (alarm.object_type, alarm.object_id) == ("", "")
    assert (alarm.actor_type, alarm.actor_name, alarm.source) == ("system", "audit alarms", "scheduler")


def test_the_sequencer_raises_no_alarm_after_a_later_alteration():
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
    writer = write_singly(10)
    without(*removed, of=writer)

    sequence_all()
    [(code, meta)] = alarms()
    follows = AuditLog.objects.get(writer=writer, wseq=removed[-1] + 1)
    assert code == "sequence_gap"
    assert meta == {
        "writer": str(writer),
        "expected": expected,
        "found": found,
        "log_id": follows.id,
    }


def test_a_missing_number_between_two_batches_raises_an_alarm():
    writer = write_singly(5)
    without(5, of=writer)
    sequence_step()
    assert alarms() == []
    write_many(3, writer, first=6)

    sequence_all()
    [(code, meta)] = alarms()
    assert (code, meta["writer"], meta["expected"], meta["found"]) == ("sequence_gap", str(writer), 5, 4)


def test_a_row_that_was_removed_after_it_was_sequenced_is_reported_by_the_next_of_its_writer():
    writer = write_many(5)
    sequence_step()
    altered("DELETE FROM audit_logs WHERE id = (SELECT max(id) FROM audit_logs)")
    write_many(1, writer, first=6)

    sequence_all()
    [(code, meta)] = alarms()
    assert (code, meta["expected"]) == ("sequence_gap", 5)


def test_a_gap_of_each_writer_raises_an_alarm():
    writers = [write_many(4) for _ in range(230)]
    sequence_step()
    for writer in writers:
        write_singly(2, writer, first=5)
    without(5, of=writers[7])
    without(5, of=writers[229])

    sequence_all()
    assert {(meta["writer"], meta["expected"]) for _, meta in alarms()} == {
        (str(writers[7]), 5),
        (str(writers[229]), 5),
    }


def test_a_heartbeat_that_shows_the_truth_is_no_alarm():
    writer = write_many(5)
    heartbeat(**{str(writer): 5})
    sequence_step()
    heartbeat(**{str(writer): 5})
    sequence_step()

    assert alarms() == []


def test_a_heartbeat_shows_rows_that_were_cut_off_the_end():
    writer = write_singly(5)
    without(4, 5, of=writer)
    beat = heartbeat(**{str(writer): 5})

    sequence_all()
    [(code, meta)] = alarms()
    assert code == "sequence_gap"
    assert meta == {"writer": str(writer), "expected": 5, "found": 3, "log_id": beat.id}


def test_a_heartbeat_of_a_writer_without_entries_raises_an_alarm():
    writer = uuid.uuid4()
    heartbeat(**{str(writer): 3})

    sequence_all()
    [(code, meta)] = alarms()
    assert (code, meta["writer"], meta["expected"], meta["found"]) == ("sequence_gap", str(writer), 3, 0)


# --- alarms are limited


def test_many_alarms_are_reported_in_one_entry_more():
    write_singly(RECORDED + 30)
    alter_bundles()
    before = counted("bundle_rejected")

    sequence_all()
    rows = AuditLog.objects.filter(action=actions.LOG_ALARMED).order_by("id")
    assert [row.code for row in rows] == ["bundle_rejected"] * RECORDED + ["more_alarms"]
    assert rows[RECORDED].count == 30
    assert counted("bundle_rejected") == before + RECORDED + 30
    assert AuditBundle.objects.filter(rejected_at__isnull=False).count() == RECORDED + 30


def test_an_alarm_is_sequenced_and_that_is_the_end_of_it():
    write_many(1)
    alter_bundles()

    assert sequence_all() == 1
    assert len(alarms()) == 1
    assert_the_tree_is_that_of_the_rows()


def test_an_alarm_that_cannot_be_put_on_record_does_not_stop_the_log(caplog):
    writer = write_singly(5)
    without(3, of=writer)
    with no_more_entries():
        assert sequence_step() == 4
    assert "an alarm could not be put on record" in caplog.text
    assert alarms() == []
    assert_the_tree_is_that_of_the_rows()
