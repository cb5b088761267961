import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from audit.commit.decisions import Grounds
from audit.log.events import Actor, Event, Source
from kernel.clock import database_now, process_now
from kernel.freshness.epoch import lock_epoch, raise_epoch, read_epoch
from kernel.freshness.stamps import MAX_AGE, EpochStamp, StaleDecision, outdated, renew
from kernel.trust.row_mac import IntegrityFailed

pytestmark = pytest.mark.sqlite

LONG_ENOUGH = 60  # seconds after which a wait that should have ended counts as failed
A_WHILE = 0.4  # seconds in which a wait that should not end would have ended if it could


@pytest.mark.django_db
def test_a_change_raises_the_epoch_by_one():
    before = read_epoch()

    assert raise_epoch("key:k") == before + 1
    assert read_epoch() == before + 1


@pytest.mark.django_db
def test_holding_shows_the_epoch_and_the_databases_clock():
    before = database_now()
    epoch, now = lock_epoch()

    assert epoch == read_epoch()
    assert before <= now <= database_now()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("function", [lock_epoch, lambda: raise_epoch("key:k")])
def test_an_epoch_requires_a_transaction(function):
    with pytest.raises(transaction.TransactionManagementError, match="inside a transaction"):
        function()


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_rolled_back_raises_nothing():
    before = read_epoch()
    with transaction.atomic():
        raise_epoch("key:k")
        transaction.set_rollback(True)

    assert read_epoch() == before


@pytest.mark.django_db
def test_an_epoch_that_was_deleted_by_hand_stops_everything():
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM security_epoch")

    for reading in (read_epoch, lock_epoch):
        with transaction.atomic(), pytest.raises(IntegrityFailed, match="security epoch"):
            reading()


def in_thread(pool, function):
    def work():
        try:
            return function()
        finally:
            connection.close()

    return pool.submit(work)


@pytest.mark.django_db(transaction=True)
def test_a_change_waits_for_the_responses_in_flight():
    held, release = threading.Event(), threading.Event()

    def respond():
        with transaction.atomic():
            lock_epoch()
            held.set()
            assert release.wait(LONG_ENOUGH)
            return time.monotonic()  # before the commit, because right after it the change may run first

    def change():
        assert held.wait(LONG_ENOUGH)
        with transaction.atomic():
            raise_epoch("key:k")
        return time.monotonic()

    with ThreadPoolExecutor(2) as pool:
        responded, changed = in_thread(pool, respond), in_thread(pool, change)
        assert held.wait(LONG_ENOUGH)
        time.sleep(A_WHILE)
        assert not changed.done()
        release.set()
        assert responded.result(LONG_ENOUGH) <= changed.result(LONG_ENOUGH)


@pytest.mark.django_db(transaction=True)
def test_a_response_that_waited_for_a_change_sees_the_epoch_after_it():
    before = read_epoch()
    raised, release = threading.Event(), threading.Event()

    def change():
        with transaction.atomic():
            raise_epoch("key:k")
            raised.set()
            assert release.wait(LONG_ENOUGH)

    def respond():
        assert raised.wait(LONG_ENOUGH)
        with transaction.atomic():
            return lock_epoch()[0]

    with ThreadPoolExecutor(2) as pool:
        changing, responding = in_thread(pool, change), in_thread(pool, respond)
        assert raised.wait(LONG_ENOUGH)
        time.sleep(A_WHILE)
        assert not responding.done()
        release.set()
        changing.result(LONG_ENOUGH)
        assert responding.result(LONG_ENOUGH) == before + 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite admits one writer at a time anyway")
def test_responses_do_not_wait_for_each_other():
    both = threading.Barrier(2, timeout=LONG_ENOUGH)

    def respond():
        with transaction.atomic():
            epoch, _ = lock_epoch()
            both.wait()  # breaks if the second cannot hold the epoch while the first does
            return epoch

    with ThreadPoolExecutor(2) as pool:
        responses = [in_thread(pool, respond) for _ in range(2)]
        assert responses[0].result(LONG_ENOUGH) == responses[1].result(LONG_ENOUGH)


@pytest.mark.django_db(transaction=True)
def test_concurrent_changes_each_raise_it():
    before = read_epoch()

    def change():
        with transaction.atomic():
            return raise_epoch("key:k")

    with ThreadPoolExecutor(8) as pool:
        seen = sorted(each.result() for each in [in_thread(pool, change) for _ in range(16)])

    assert seen == list(range(before + 1, before + 17))


def test_a_stamp_is_old_after_four_to_five_minutes_and_not_renewed():
    before = time.monotonic()
    stamp = EpochStamp({"key:1": 4, "user:2": 0}, as_of=7)
    assert before + MAX_AGE - 60 < stamp.not_after <= time.monotonic() + MAX_AGE
    assert outdated([stamp], 7) == []
    assert stamp.is_usable
    stamp.not_after = time.monotonic()
    assert outdated([stamp], 7) == [stamp]
    assert not stamp.is_usable
    assert renew([stamp], {"key:1": 4}, 8) == {"key:1", "user:2"}
    assert stamp.as_of == 7


def test_a_decision_by_an_old_stamp_is_neither_certain_nor_current():
    stamp = EpochStamp({"key:1": 4}, as_of=7)
    grounds = Grounds(
        event=Event(action="x.y.z"), actor=Actor.system("test", Source.COMMAND), stamps=(stamp,)
    )
    assert grounds.are_certain(7)
    stamp.not_after = 0.0
    assert not grounds.are_certain(7)
    with pytest.raises(StaleDecision):
        grounds.require_current(7, process_now())
