"""Each writer's progress is recorded, so that a truncated sequence of a silent writer is detected."""

import json
import uuid

import pytest
from django.db import transaction

from audit.log import heartbeats, numbering
from audit.log.events import Actor, Event
from tests.audit.conftest import log_out_of_reach
from tests.log_entries import log_rows, record

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def nothing_noted(empty_log):
    numbering.take_tails()


def write(times=1):
    for _ in range(times):
        with transaction.atomic():
            entry = record(Event(action="test.thing.done"), Actor.system("test", "command"))
    return entry


def heard():
    beats = log_rows().filter(action="audit.writer.heartbeat").order_by("id")
    return [json.loads(text)["writers"] for text in beats.values_list("meta", flat=True)]


def test_a_beat_shows_the_last_number_of_each_writer():
    last = write(3)
    other = uuid.uuid4()
    numbering.note_committed(other, 7)

    heartbeats.beat()

    assert heard() == [{str(last.writer): last.wseq, str(other): 7}]


def test_a_process_that_writes_nothing_is_silent():
    write()
    for _ in range(3):
        heartbeats.beat()

    assert len(heard()) == 1


def test_a_writer_that_has_gone_on_is_not_forgotten():
    writer = uuid.uuid4()
    numbering.note_committed(writer, 7)
    numbering.forget_committed(writer, 5)
    assert numbering.take_tails() == {writer: 7}


def test_a_heartbeat_omits_entries_that_were_rolled_back():
    with transaction.atomic():
        record(Event(action="test.thing.done"), Actor.system("test", "command"))
        transaction.set_rollback(True)

    heartbeats.beat()

    assert heard() == []


def test_a_beat_that_could_not_be_written_is_made_up_for():
    last = write()
    with log_out_of_reach():
        heartbeats.beat()
    heartbeats.beat()

    assert heard() == [{str(last.writer): last.wseq}]


def test_the_last_beat_comes_when_the_process_ends():
    heartbeat = heartbeats.Heartbeat()
    last = write()
    heartbeat.stop()

    assert not heartbeat._thread.is_alive()
    assert heard() == [{str(last.writer): last.wseq}]
