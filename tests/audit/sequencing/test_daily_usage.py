"""The sums of a day are those of its roll-ups, in any order of the entries, and only the last weeks are stored."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from audit.log.events import Event
from audit.models import UsageDay, UsageRollup
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.daily_usage import KEPT, days_to_mend, rebuild_day
from audit.usage.sums import CONSIDERED, DAY, HOUR, Span, Used, busiest_callers, busiest_keys, used_over_time
from audit.verification.usage import check_usage
from tests.audit.sequencing.test_rollups import user
from tests.log_entries import insert_events

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

NOW = datetime.now(UTC)
TODAY = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
KEYS = [str(UUID(int=number)) for number in range(1, 6)]


def write(*operations):
    """Entries of these times, keys, outcomes and numbers of operations, by one user."""
    writer, actor = uuid4(), user(UUID(int=9))
    for number, (at, key, outcome, count) in enumerate(operations, 1):
        event = Event(
            action="crypto.message.encrypted", object_type="key", object_id=key, outcome=outcome, count=count
        )
        insert_events([(event, actor)], at=at, writer=writer, first=number)
    sequence_step()


def write_any(chance, number):
    write(
        *(
            (
                TODAY - timedelta(seconds=chance.randrange(5 * 86400)),
                chance.choice(KEYS),
                chance.choice(["ok", "denied", "error"]),
                chance.choice([1, 7]),
            )
            for _ in range(number)
        )
    )


def test_days_have_the_sums_of_their_hours_in_any_order_of_the_entries():
    chance = random.Random(1)  # noqa: S311 - made-up entries
    for _ in range(3):
        write_any(chance, 60)
    span = Span.until(NOW, DAY, 7)

    by_hour = {start: used for start, used in used_over_time(Span.until(NOW, HOUR, 24 * 7)) if used.total}
    by_day = dict(used_over_time(span))

    assert sum(used.total for used in by_day.values()) == sum(used.total for used in by_hour.values()) > 180
    for day, used_that_day in by_day.items():
        hours = [used for start, used in by_hour.items() if day <= start < day + DAY]
        assert used_that_day == Used(*(sum(getattr(used, name) for used in hours) for name in Used.__slots__))
    assert not list(check_usage())
    assert not days_to_mend()


def test_the_busiest_of_days_are_those_of_all_hours_together():
    write_any(random.Random(2), 100)  # noqa: S311 - made-up entries
    days, hours = Span.until(NOW, DAY, 7), Span.until(NOW, HOUR, 24 * 7)

    assert busiest_keys(days) == busiest_keys(hours)
    assert busiest_keys(days, KEYS[:2]) == busiest_keys(hours, KEYS[:2])
    assert busiest_callers(days) == busiest_callers(hours)
    assert busiest_callers(days, KEYS[:2]) == busiest_callers(hours, KEYS[:2])
    assert dict(busiest_keys(days)).keys() == set(KEYS)


def test_a_key_is_considered_if_it_was_busy_on_one_day():
    others = [str(UUID(int=number)) for number in range(100, 100 + CONSIDERED + 1)]
    write(
        *((TODAY, key, "ok", 3) for key in others),
        (TODAY - DAY, KEYS[0], "ok", 50),
        (TODAY, KEYS[0], "ok", 1),
    )

    assert busiest_keys(Span.until(NOW, DAY, 7))[0] == (KEYS[0], Used(allowed=51))


def test_only_the_last_weeks_are_stored():
    UsageDay.objects.create(
        day=TODAY - KEPT - DAY, kind="key", subject=KEYS[0], allowed=1, denied=0, failed=0
    )
    write((TODAY - KEPT - timedelta(hours=1), KEYS[0], "ok", 1), (TODAY - KEPT, KEYS[1], "ok", 1))

    assert set(UsageDay.objects.values_list("day", flat=True)) == {TODAY - KEPT}
    assert UsageRollup.objects.count() == 2
    assert not list(check_usage())


def test_missing_and_wrong_days_of_an_earlier_version_are_repaired():
    write_any(random.Random(3), 100)  # noqa: S311 - made-up entries
    expected = list(
        UsageDay.objects.order_by("kind", "subject", "day").values_list(
            "kind", "subject", "day", "allowed", "denied", "failed"
        )
    )
    UsageDay.objects.filter(day=TODAY - 2 * DAY).delete()
    UsageDay.objects.filter(day=TODAY - 3 * DAY).update(allowed=0)

    assert sorted(days_to_mend()) == [TODAY - 3 * DAY, TODAY - 2 * DAY]
    assert len(list(check_usage())) > 5
    for day in days_to_mend():
        rebuild_day(day)

    found = UsageDay.objects.order_by("kind", "subject", "day").values_list(
        "kind", "subject", "day", "allowed", "denied", "failed"
    )
    assert list(found) == expected
    assert not list(check_usage())
