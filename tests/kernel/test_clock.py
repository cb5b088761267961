"""The estimate of the database's clock: from every result with the time, and without regard to the node's clock."""

import asyncio
import math
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import transaction

from audit.commit import loop_writer
from kernel import clock
from kernel.freshness.epoch import lock_epoch, read_epoch, read_stamp
from tests.audit.commit.decisions import decision
from tests.clocks import travel

HOUR, SLACK = timedelta(hours=1), timedelta(minutes=5)


def lock():
    with transaction.atomic():
        lock_epoch()


def commit():
    """Two batches: the first locks the epoch, the second is one message."""

    async def both():
        try:
            await loop_writer.submit(decision("first"))
            clock.note_database_time(0.0)
            await loop_writer.submit(decision("second"))
        finally:
            await loop_writer.close()

    asyncio.run(both())


@pytest.mark.postgresql
@pytest.mark.parametrize(
    "read", [clock.database_now, clock.require_reading, read_epoch, lambda: read_stamp("key:k"), lock]
)
def test_each_query_that_contains_the_time_sets_the_clock_of_the_process(db, read):
    actual = datetime.now(UTC)
    with travel(actual + HOUR):
        clock._estimate.drop()
        with time_machine.travel(actual - HOUR):
            assert abs(clock.process_now() - (actual - HOUR)) < SLACK  # nothing is known yet
            read()
            assert abs(clock.process_now() - (actual + HOUR)) < SLACK
            assert clock.clock_skew() == pytest.approx(-7200, abs=SLACK.total_seconds())


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_each_commit_of_the_event_loop_sets_the_clock_of_the_process():
    with time_machine.travel(datetime.now(UTC) + HOUR):
        commit()
        assert clock.clock_skew() == pytest.approx(3600, abs=SLACK.total_seconds())


@pytest.mark.postgresql
def test_the_clock_of_the_process_is_never_ahead_of_the_databases(db):
    for _ in range(20):
        before = clock.process_now()
        assert before - timedelta(microseconds=1) <= clock.database_now()


@pytest.mark.sqlite
def test_without_a_reading_the_clock_of_the_node_counts():
    clock._estimate.drop()
    with time_machine.travel(datetime(2030, 1, 1, tzinfo=UTC), tick=False):
        assert clock.process_now() == datetime(2030, 1, 1, tzinfo=UTC)
    assert math.isnan(clock.clock_skew())
