"""Old hours become days, in small steps, and every reader finds the same before, meanwhile and afterwards."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import django.db
import pytest
import time_machine
from django.db import connection, transaction
from django.db.models import Max, Sum
from django.test.utils import CaptureQueriesContext

from audit.log.events import Event
from audit.models import AuditLog, UsageRollup
from audit.sequencing import merging
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.daily_usage import KEPT
from audit.sequencing.leadership import leading
from audit.sequencing.merging import Merging, merged_before
from audit.sequencing.rollups import COLUMNS
from audit.sequencing.running import Sequencer
from audit.usage.of_key import EVERYTHING, totals, totals_by_caller, totals_by_version
from audit.usage.queries import denials_of, last_uses, rows_denied_since, rows_used_since, use_of
from audit.verification.usage import check_usage
from kernel import runtime
from kernel.demo_clock import running_from
from tests.audit.sequencing.test_rollups import KEYS, user
from tests.factories import UsageFactory
from tests.log_entries import insert_events

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
MERGED = TODAY - KEPT - DAY  # the hours before
DAYS = [MERGED - DAY, MERGED - 2 * DAY, MERGED - 9 * DAY]
ACTORS = [user(None), user(UUID(int=8)), user(UUID(int=9))]


def write(chance, number, days=DAYS):
    """Operations of these days."""
    writer = uuid4()
    with transaction.atomic():
        for place in range(1, number + 1):
            at = chance.choice(days) + timedelta(microseconds=chance.randrange(86400 * 10**6))
            insert_events([(any_event(chance), chance.choice(ACTORS))], at=at, writer=writer, first=place)


def any_event(chance):
    return Event(
        action=chance.choice(["crypto.message.encrypted", "crypto.message.decrypted"]),
        object_type="key",
        object_id=chance.choice(KEYS),
        object_version=chance.choice([None, 1]),
        outcome=chance.choice(["ok", "denied"]),
        count=chance.choice([1, 7]),
        size=chance.choice([None, 1000]),
    )


@pytest.fixture
def chance():
    return random.Random(4)  # noqa: S311 - made-up entries


@pytest.fixture
def hours(chance):
    """A log of some days, whose hours are not merged yet."""
    with running_from(DAYS[-1]):
        write(chance, 600)
        assert sequence_step() == 600


def rows():
    return list(UsageRollup.objects.order_by("id").values_list(*COLUMNS))


def is_merged():
    days = [(*row[:5], row[5].date()) for row in rows() if row[5] < MERGED]
    return len(days) == len(set(days))


def denials_in_log(key, since):
    found = AuditLog.objects.filter(
        object_id=key, outcome="denied", timestamp__gte=since, user_id__isnull=False
    )
    return found.aggregate(sum=Sum("count"))["sum"]


def read_everything():
    """Read all figures of usage."""
    since = DAYS[1] + 5 * HOUR
    for key in KEYS:
        assert use_of(key, since).denials.count == denials_in_log(key, since)
    newest = UsageRollup.objects.filter(outcome="ok").values("key_id").annotate(last=Max("last_at"))
    assert last_uses(KEYS) == dict(newest.values_list("key_id", "last"))
    timestamps = AuditLog.objects.order_by("timestamp").values_list("timestamp", flat=True)
    times = [timestamps[number] for number in (100, 300, 500)]
    return {
        "last": last_uses(KEYS),
        "totals": [
            sorted(map(str, read(key, day, EVERYTHING)))
            for read in (totals, totals_by_caller, lambda key, day, _: totals_by_version(key, day))
            for key in KEYS
            for day in DAYS
        ],
        "use": [(use_of(key).last, use_of(key, since).denials) for key in KEYS],
        "denials": [denials_of(key, time) for key in KEYS for time in times],
        "used": [sorted({row.key_id for row in rows_used_since(time)}) for time in times],
        "denied": [sorted({row.key_id for row in rows_denied_since(time)}) for time in times],
    }


def test_every_state_in_between_reads_the_same_and_is_correct(hours, monkeypatch):
    monkeypatch.setattr(merging, "STEP", 40)
    before, expected, counts = rows(), read_everything(), []
    merger = Merging()
    while not is_merged():
        counts.append(UsageRollup.objects.count())
        assert len(counts) < 50
        merger.run()
        assert read_everything() == expected
        assert list(check_usage()) == []

    assert len(counts) > 5
    assert all(0 <= first - second <= 23 * 40 for first, second in pairwise(counts))
    totals_of = {}
    for *bucket, hour, kind, count, size, last in before:
        day = (*bucket, hour.date())
        old = totals_of.get(day, (hour, kind, 0, 0, last))
        totals_of[day] = (max(hour, old[0]), kind, old[2] + count, old[3] + size, max(last, old[4]))
    assert {(*row[:5], row[5].date()): row[5:] for row in rows()} == totals_of
    assert len(before) > 2 * len(totals_of)
    merged = rows()
    for _ in range(6):
        merger.run()
    Merging().run()
    assert rows() == merged


def test_recent_hours_stay(chance):
    with running_from(MERGED):
        write(chance, 100, [MERGED])
        sequence_step()
    before = rows()

    for _ in range(3):
        Merging().run()

    assert rows() == before


@pytest.mark.parametrize(("day", "is_accepted"), [(TODAY - KEPT, False), (TODAY - KEPT - DAY, True)])
def test_a_row_for_a_recent_day_is_an_alteration(chance, day, is_accepted):
    """The later day is merged if the clock of the sequencer is ahead of that of the verification."""
    write(chance, 100, [day])
    sequence_step()
    merging.merge([(*bucket, day) for bucket in {row[:5] for row in rows()}])

    assert (list(check_usage()) == []) is is_accepted


@pytest.mark.parametrize("steps", [0, 1, 9])
def test_a_late_entry_adds_to_its_day(hours, chance, monkeypatch, steps):
    monkeypatch.setattr(merging, "STEP", 40)
    merger = Merging()
    for _ in range(steps):
        merger.run()

    for _ in range(3):
        write(chance, 40)
        sequence_step()
        assert list(check_usage()) == []

    for _ in range(40):
        merger.run()
    assert is_merged()
    assert list(check_usage()) == []


def test_a_wrong_row_of_either_form_is_found(hours, chance, monkeypatch):
    monkeypatch.setattr(merging, "STEP", 60)
    Merging().run()
    merged = {tuple(row[:5]) for row in rows()} - {tuple(row[:5]) for row in rows() if row[5].hour % 2}
    assert merged
    assert not is_merged()
    for row in chance.sample(list(UsageRollup.objects.order_by("id")), 10):
        others = [("count", 1), ("count", -1), ("size", 1), ("last_at", timedelta(microseconds=1))]
        for name, more in [*others, ("hour", timedelta(microseconds=1)), ("hour", -HOUR), ("hour", DAY)]:
            changed = UsageRollup.objects.filter(id=row.id)
            try:
                changed.update(**{name: getattr(row, name) + more})
            except django.db.IntegrityError:
                continue  # another row of that hour
            assert list(check_usage()), (row, name, more)
            changed.update(**{name: getattr(row, name)})
        row.delete()
        assert list(check_usage()), row
        row.save(force_insert=True)
        row.id, row.hour, row.count, row.size = None, row.hour + HOUR, 0, 0
        if not UsageRollup.objects.filter(**{name: getattr(row, name) for name in (*merging.BUCKET, "hour")}):
            row.save(force_insert=True)
            assert list(check_usage()), row
            row.delete()
    assert list(check_usage()) == []


def test_a_step_that_fails_changes_nothing_and_a_restart_goes_on(hours):
    before = rows()

    def refuse(execute, sql, *arguments):
        if sql.startswith("DELETE FROM usage_rollups"):
            raise django.db.OperationalError("killed")
        return execute(sql, *arguments)

    merger = Merging()
    with connection.execute_wrapper(refuse), pytest.raises(django.db.OperationalError):
        merger.run()
    merger.run()  # an altered row would fail again at once

    assert rows() == before
    merger = Merging()
    for _ in range(9):
        merger.run()
    assert is_merged()
    assert list(check_usage()) == []


def test_after_midnight_one_more_day_is_looked_at(hours):
    def steps():
        """The number of steps that need the database."""
        for number in range(20):
            with CaptureQueriesContext(connection) as queries:
                merger.run()
            if not queries:
                return number
        return None

    merger = Merging()
    with running_from(datetime.now(UTC) - DAY):
        assert steps() == 3
        assert not is_merged()
        assert steps() == 0
    assert steps() == 1
    assert is_merged()


def test_a_process_that_does_not_lead_waits_for_its_turn(hours):
    leads, ends = threading.Event(), threading.Event()

    def lead():
        with leading():
            leads.set()
            assert ends.wait(30)
        connection.close()

    before, merger = rows(), Merging()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(lead)
        assert leads.wait(30)
        merger.run()
        ends.set()
        leader.result(30)
    assert rows() == before
    merger.run()
    assert len(rows()) < len(before)


def test_an_altered_hour_does_not_stop_the_sequencer(hours):
    altered = {"sqlite": "1 day", "postgresql": "-infinity"}[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE usage_rollups SET hour = %s WHERE id = (SELECT min(id) FROM usage_rollups)", [altered]
        )
    merger = Merging()

    for _ in range(9):
        merger.run()

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM usage_rollups WHERE hour = %s", [altered])
    assert is_merged()


def test_an_altered_minute_merges_no_hour_of_the_next_day():
    altered = UsageFactory(key=KEYS[0], at=DAYS[1] + 23 * HOUR)
    UsageRollup.objects.filter(id=altered.id).update(hour=altered.hour + timedelta(minutes=30, seconds=20.5))
    UsageFactory(key=KEYS[0], at=DAYS[0])
    before, merger = rows(), Merging()

    for _ in range(4):
        merger.run()

    assert rows() == before


def test_a_wrong_clock_of_the_node_merges_nothing():
    ahead = 60 * DAY
    with time_machine.travel(datetime.now(UTC) + ahead):
        runtime.fresh()
        limit = merged_before()
    runtime.fresh()
    # The clock of the node is that of SQLite, too.
    assert limit == {"postgresql": MERGED, "sqlite": MERGED + ahead}[connection.vendor]


def test_the_sequencer_merges_a_day_in_a_turn(hours):
    sequencer = Sequencer(lambda: False)
    counts = []
    while not is_merged() and len(counts) < 10:
        sequencer.turn()
        counts.append(UsageRollup.objects.count())
    assert 3 <= len(counts) < 10
    assert counts == sorted(counts, reverse=True)
