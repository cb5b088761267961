"""The clock of load_demo: in its thread only, never ahead of the actual time, and never backwards."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from kernel.clock import database_now, process_now
from kernel.demo_clock import running_from
from kernel.freshness.epoch import lock_epoch

WEEK, DAY, SLACK = timedelta(days=7), timedelta(days=1), timedelta(minutes=5)


def actual():
    return datetime.now(UTC)


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_every_clock_of_the_thread_runs_behind_until_the_block_ends():
    with running_from(actual() - WEEK) as clock:
        clock.move_to(actual() - DAY)
        assert all(abs(actual() - DAY - now) < SLACK for now in clocks())
    assert all(abs(actual() - now) < SLACK for now in clocks())


def clocks():
    with transaction.atomic():
        return process_now(), database_now(), lock_epoch()[1]


def test_it_never_goes_backwards_or_into_the_future():
    with running_from(actual() - WEEK) as clock:
        clock.move_to(actual() - DAY)
        before = process_now()
        clock.move_to(actual() - WEEK)
        assert before <= process_now() < before + SLACK
        clock.move_to(actual() + DAY)
        assert process_now() <= actual()
    with running_from(actual() + DAY):
        assert process_now() <= actual()


def test_other_threads_have_the_actual_time():
    with running_from(actual() - WEEK), ThreadPoolExecutor(1) as other:
        assert abs(other.submit(process_now).result() - actual()) < SLACK


def test_an_error_ends_it():
    with pytest.raises(KeyboardInterrupt), running_from(actual() - WEEK):
        raise KeyboardInterrupt
    assert abs(process_now() - actual()) < SLACK
