import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.db import connection, transaction

from audit.log import numbering
from audit.log.events import Actor, Event
from audit.models import AuditBundle
from tests.log_entries import log_rows, record

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

ACTOR = Actor.system("test", "command")


def write():
    return record(Event(action="test.thing.done"), ACTOR)


def sequences():
    """Writer -> its numbers in the order of the rows."""
    found = {}
    for writer, wseq in log_rows().order_by("id").values_list("writer", "wseq"):
        found.setdefault(writer, []).append(wseq)
    return found


def test_numbers_go_on_across_transactions():
    for _ in range(3):
        with transaction.atomic():
            write()
            write()

    (numbers,) = sequences().values()
    assert numbers == list(range(numbers[0], numbers[0] + 6))


def test_a_rolled_back_transaction_uses_no_number():
    with transaction.atomic():
        first = write().wseq
    with transaction.atomic():
        write()
        transaction.set_rollback(True)
    with transaction.atomic():
        assert write().wseq == first + 1


def test_a_rolled_back_savepoint_uses_no_number():
    with transaction.atomic():
        first = write().wseq
        with transaction.atomic():
            write()
            transaction.set_rollback(True)
        assert write().wseq == first + 1

    assert len(log_rows().all()) == 2


def test_threads_are_writers_of_their_own_and_each_is_dense():
    gate = threading.Barrier(8)

    def work(number):
        gate.wait()
        for turn in range(6):
            with suppress(ZeroDivisionError), transaction.atomic():
                write()
                if (number + turn) % 3 == 0:
                    raise ZeroDivisionError
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    found = sequences()
    assert len(found) == 8
    assert all(numbers == [1, 2, 3, 4] for numbers in found.values())


def test_a_thread_keeps_its_writer():
    assert numbering.current_writer() == numbering.current_writer()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_does_not_write_under_its_parents_name():
    parent = numbering.current_writer()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, numbering.current_writer().bytes)
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reading, 16) != parent.bytes
    os.close(reading)
    os.close(writing)


def test_a_number_is_not_given_again_where_its_row_was_removed():
    with transaction.atomic():
        removed = write().wseq
    AuditBundle.objects.all().delete()
    with transaction.atomic():
        assert write().wseq == removed + 1  # this leaves a gap, which the sequencer detects
