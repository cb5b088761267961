"""How far the sequencer is behind, by the database's clock."""

import time
from datetime import timedelta

import pytest
from django.db import connection
from prometheus_client import REGISTRY

from audit.commit.loop_statements import LAG
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.checkpoints.signing import sign_checkpoint
from audit.sequencing.lag import Lag, is_too_far_behind, read_lag, read_lag_seconds, set_gauges
from kernel.clock import database_now
from tests.audit.sequencing.log import ACTOR, DONE, altered, sequence_all, write, write_many
from tests.log_entries import insert_events

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def gauges():
    names = ("audit_lag_seconds", "audit_pending_entries", "audit_tree_size", "audit_checkpoint_size")
    return [REGISTRY.get_sample_value(name) for name in names]


def test_an_empty_queue_has_no_lag():
    assert read_lag() == Lag(0, 0.0)
    write(3)
    sequence_step()
    assert read_lag() == Lag(0, 0.0)


def test_the_lag_is_the_age_of_the_oldest_entry_that_waits():
    write()
    time.sleep(0.3)
    write(2)

    found = read_lag()
    assert found.pending == 3
    assert 0.3 <= found.seconds < 300


def test_a_time_that_no_one_can_read_waits_since_ever():
    """Otherwise an attacker who can write to the database could hide a lag behind such a row."""
    if connection.vendor == "postgresql":
        pytest.skip("PostgreSQL keeps to the types of its columns")
    write()
    altered("UPDATE audit_bundles SET at = 'never'")
    assert is_too_far_behind(read_lag_seconds())


def test_the_writer_of_a_loop_reads_the_same_lag():
    if connection.vendor == "sqlite":
        pytest.skip("on SQLite the thread writes")
    insert_events([(DONE, ACTOR)], at=database_now() - timedelta(hours=2))
    with connection.cursor() as cursor:
        cursor.execute(LAG[0].decode())
        assert abs(float(cursor.fetchone()[0]) - read_lag_seconds()) < 60


def test_rejected_bundles_do_not_count_as_lag():
    write_many(5)
    altered("UPDATE audit_bundles SET mac = ''")
    sequence_all()
    assert read_lag() == Lag(0, 0.0)


def test_the_gauges_tell_how_far_log_tree_and_checkpoints_have_come():
    write_many(5)
    sequence_step()
    sign_checkpoint()
    write_many(2)
    sequence_step()
    write_many(4)

    set_gauges()
    age, *sizes = gauges()
    assert age > 0
    assert sizes == [4, 7, 5]
