"""How far the sequencer is behind, by the database's clock."""

import time

import pytest
from django.db import connection
from prometheus_client import REGISTRY

from audit.commit.loop_statements import LAG
from audit.sequencing import timestamps
from audit.sequencing.checkpointing import sign_checkpoint
from audit.sequencing.lag import Lag, is_too_far_behind, read_lag, read_lag_seconds, set_gauges
from audit.sequencing.step import sequence_step
from tests.audit.sequencing.log import altered, write, write_many

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def gauges():
    names = ("audit_lag_seconds", "audit_pending_entries", "audit_tree_size", "audit_checkpoint_size")
    return [REGISTRY.get_sample_value(name) for name in names]


def test_where_nothing_waits_there_is_no_lag():
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


def test_counting_has_an_end(monkeypatch):
    monkeypatch.setattr(timestamps, "COUNTED", 5)
    write_many(9)
    assert read_lag().pending == 5


def test_what_waits_and_is_no_entry_waits_since_ever():
    """Otherwise an attacker who can write to the database could hide a lag behind such a row."""
    write()
    altered("DELETE FROM audit_logs")
    assert is_too_far_behind(read_lag_seconds())
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(LAG[0].decode())
            assert is_too_far_behind(float(cursor.fetchone()[0]))


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
