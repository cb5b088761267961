"""The usage of each key is exactly the usage recorded in the log."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db.models import Count, Max, Sum
from django.db.models.functions import TruncHour

from audit.log.events import Actor, Event, Source
from audit.models import AuditLog, UsageRollup
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.rollups import COLUMNS
from audit.verification.usage import check_usage
from kernel.demo_clock import running_from
from tests.audit.service_accounts import account
from tests.log_entries import insert_events

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

BEGIN = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)

KEYS = [str(UUID(int=number)) for number in (1, 2, 3)]


def user(user_id):
    return Actor(
        user_id=user_id,
        actor_type="user",
        actor_name="dora",
        auth_method="",
        token_id="",
        client_ip="",
        user_agent="",
        source=Source.API,
        request_id="",
    )


def any_event(chance):
    return Event(
        action=chance.choice(["crypto.message.encrypted", "crypto.message.decrypted", "keys.key.rotated"]),
        object_type=chance.choice(["key", "key", "key", "user"]),
        object_id=chance.choice([*KEYS, "no id", ""]),
        object_version=chance.choice([None, 1, 2]),
        outcome=chance.choice(["ok", "ok", "denied", "error"]),
        count=chance.choice([1, 1, 7]),
        size=chance.choice([None, 0, 1000]),
    )


def write_some(chance, number):
    actors = [user(None), user(uuid4()), user(uuid4()), account(uuid4())]
    writer, first = uuid4(), 1
    while first <= number:
        at = BEGIN + timedelta(microseconds=chance.randrange(3 * 3600 * 10**6))
        some = [(any_event(chance), chance.choice(actors)) for _ in range(chance.choice([1, 1, 2, 5]))]
        insert_events(some, at=at, writer=writer, first=first)
        first += len(some)


def counted_by_the_database():
    operations = AuditLog.objects.filter(object_type="key", action__startswith="crypto.").filter(
        object_id__in=KEYS
    )
    groups = (
        operations.order_by()
        .annotate(hour=TruncHour("timestamp"))
        .values("object_id", "object_version", "user_id", "actor_id", "action", "outcome", "hour")
        .annotate(number=Sum("count"), octets=Sum("size"), last=Max("timestamp"), rows=Count("id"))
    )
    found = {}
    for group in groups:
        bucket = (
            group["object_id"],
            group["object_version"] or 0,
            str(group["user_id"] or group["actor_id"] or ""),
            group["action"],
            group["outcome"],
            group["hour"],
        )
        kind = "service_account" if group["actor_id"] else "user"
        found[bucket] = (kind, group["number"], group["octets"] or 0, group["last"])
    return found


def rolled_up():
    return {row[:6]: row[6:] for row in UsageRollup.objects.values_list(*COLUMNS)}


@pytest.mark.parametrize("seed", range(3))
def test_the_roll_ups_are_what_the_database_counts_in_the_log(seed):
    chance = random.Random(seed)  # noqa: S311 - made-up entries
    with running_from(BEGIN + timedelta(days=1)):  # old hours would be merged
        for _ in range(4):
            write_some(chance, 150)
            sequence_step()

    assert len(rolled_up()) > 100
    assert rolled_up() == counted_by_the_database()
    assert list(check_usage()) == []
    UsageRollup.objects.filter(principal_type="service_account").update(principal_type="user")
    assert len(list(check_usage())) > 10


def test_an_entry_without_a_key_operation_is_not_counted():
    kinds = [
        Event(action="crypto.random.generated", size=10),
        Event(action="keys.key.rotated", object_type="key", object_id=KEYS[0]),
        Event(action="crypto.message.encrypted", object_type="user", object_id=KEYS[0]),
        Event(action="crypto.message.encrypted", object_type="key"),
        Event(action="crypto.message.encrypted", object_type="key", object_id="name:nope", outcome="denied"),
    ]
    counted = Event(action="crypto.message.encrypted", object_type="key", object_id=KEYS[0])
    insert_events([(event, user(None)) for event in [*kinds, counted]], at=BEGIN)

    assert sequence_step() == 6
    assert Counter(row[0] for row in rolled_up()) == {KEYS[0]: 1}
    assert list(check_usage()) == []


def test_an_hour_is_one_of_utc_and_the_last_time_is_the_latest():
    times = [BEGIN, BEGIN + timedelta(minutes=29, microseconds=5), BEGIN + timedelta(minutes=10)]
    event = Event(action="crypto.message.encrypted", object_type="key", object_id=KEYS[0], size=3)
    for at in times:
        insert_events([(event, user(None))], at=at)
        sequence_step()

    [row] = UsageRollup.objects.all()
    assert (row.hour, row.last_at) == (datetime(2026, 3, 28, 23, tzinfo=UTC), times[1])
    assert (row.count, row.size) == (3, 9)
