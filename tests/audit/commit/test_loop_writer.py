"""The event loop's writer gives the thread's guarantees; on PostgreSQL it needs no thread for them."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection, transaction
from msgspec.structs import replace

from audit.commit import loop_writer, writer
from audit.commit.decisions import Deadline
from audit.errors import AuditUnavailable
from audit.log.entries import mac_bytes
from audit.log.entry_mac import check_entry_mac
from audit.log.events import Actor, Event
from audit.models import AuditBundle
from kernel.clock import database_now
from kernel.errors import Conflict
from kernel.freshness.epoch import raise_epoch, read_stamp
from kernel.freshness.stamps import StaleDecision
from tests.audit.commit.decisions import ACTOR, decide, decision, stored
from tests.audit.conftest import log_out_of_reach
from tests.log_entries import insert_events, log_rows

pytestmark = pytest.mark.django_db(transaction=True)

on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="on SQLite the thread writes")


def run(*decisions, meanwhile=None):
    """Return the results or errors of the decisions, from one event loop that ends with its writer."""

    async def all_of_them():
        try:
            if meanwhile:
                await asyncio.gather(loop_writer.submit(decision("before")))
                await asyncio.to_thread(meanwhile)
            return await asyncio.gather(*map(loop_writer.submit, decisions), return_exceptions=True)
        finally:
            await loop_writer.close()

    return asyncio.run(all_of_them())


def written_by_the_loop(caplog):
    return not [record for record in caplog.records if record.name == "audit.commit.loop_writer"]


def test_each_gets_its_own_result_and_all_are_stored_in_their_order(caplog):
    assert run(*(decision(number) for number in range(700))) == list(range(700))
    assert stored() == [str(number) for number in range(700)]
    assert written_by_the_loop(caplog)


@on_postgresql
def test_a_message_has_512_records_at_most():
    run(*(decision(number) for number in range(513)))
    assert list(AuditBundle.objects.order_by("id").values_list("entries", flat=True)) == [512, 1]


@pytest.mark.parametrize("account", [None, UUID(int=7)])
def test_both_writers_store_the_same_entry(account):
    odd = Actor.anonymous("2001:db8::1", 'agent "quoted" \\ \t\n {1,2} NULL ü 😀', "r-1")
    odd = replace(odd, actor_id=account)
    event = Event(
        action="test.odd", object_id="NULL", object_version=3, size=0, meta={"text": 'a"b\\c', "empty": ""}
    )
    run(decide(1, event, odd))
    writer.commit(decide(2, event, odd))
    fresh = {"id", "event_id", "timestamp", "writer", "wseq", "mac"}
    first, second = (
        {name: value for name, value in row.items() if name not in fresh} for row in log_rows().values()
    )
    assert first == second
    for row in log_rows().values():
        check_entry_mac(mac_bytes(row), 1 if account is None else 2, row["mac"])


def test_decisions_with_a_changed_entity_are_stale_and_the_others_are_committed(caplog):
    kept, changed = read_stamp("key:kept"), read_stamp("key:changed")
    with transaction.atomic():
        raise_epoch("key:changed")
    results = run(
        decision(1, stamps=(kept,)), decision(2, stamps=(changed,)), decision(3, stamps=(kept, changed))
    )
    assert results[0] == 1
    assert [type(result) for result in results[1:]] == [StaleDecision, StaleDecision]
    assert results[1].entities == {"key:changed"}
    assert stored() == ["1"]
    assert written_by_the_loop(caplog)


def test_the_databases_clock_decides_on_deadlines():
    now = database_now()
    late = Deadline(now - timedelta(seconds=1), lambda: Conflict("too late"))
    early = Deadline(now + timedelta(minutes=1), lambda: Conflict("too early"))
    results = run(
        decision(1, deadlines=(late,)), decision(2, not_before=(early,)), decision(3, deadlines=(early,))
    )
    assert [str(result) for result in results] == ["too late", "too early", "3"]
    assert stored() == ["3"]


def test_decisions_are_refused_while_the_log_is_unreachable_and_succeed_afterwards():
    with log_out_of_reach():
        results = run(*(decision(number) for number in range(5)))
    assert {type(result) for result in results} == {AuditUnavailable}
    assert run(decision(6)) == [6]
    assert stored() == ["6"]


@on_postgresql
def test_one_poisonous_record_costs_no_one_else_their_response(caplog):
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE audit_bundles ADD CONSTRAINT poison "
            """CHECK (position('"object_id":"13"'::bytea in body) = 0)"""
        )
    try:
        results = run(*(decision(number) for number in range(30)))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_bundles DROP CONSTRAINT poison")
    assert [result for result in results if isinstance(result, int)] == [n for n in range(30) if n != 13]
    assert isinstance(results[13], AuditUnavailable)
    assert sorted(stored(), key=int) == [str(number) for number in range(30) if number != 13]
    assert "written by the thread" in caplog.text


@on_postgresql
def test_a_session_that_died_unused_is_replaced():
    def end_sessions():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND query ILIKE 'commit%'"
            )
        connection.close()

    results = run(decision(1), decision(2), meanwhile=end_sessions)
    assert results == [1, 2]
    assert stored() == ["before", "1", "2"]


@on_postgresql
def test_a_session_that_dies_in_the_commit_responds_to_no_one_and_another_writer_begins():
    """The trigger ends its own session after the bundle and the COMMIT have been sent."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
            '$$BEGIN IF position(\'"object_id":"2"\'::bytea in NEW.body) > 0 THEN PERFORM pg_terminate_backend(pg_backend_pid()); '
            "PERFORM pg_sleep(1); END IF; RETURN NULL; END$$; "
            "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON audit_bundles DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION die()"
        )
    try:
        [lost] = run(decision(2), meanwhile=lambda: None)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER die ON audit_bundles; DROP FUNCTION die()")
    assert isinstance(lost, AuditUnavailable)
    assert run(decision(3)) == [3]
    assert stored() == ["before", "3"]
    assert log_rows().values("writer").distinct().count() == 2


@on_postgresql
def test_a_caller_who_gives_up_costs_the_others_nothing():
    async def some_give_up():
        futures = [loop_writer.submit(decision(number)) for number in range(20)]
        for future in futures[::2]:
            future.cancel()
        try:
            return await asyncio.gather(*futures[1::2])
        finally:
            await loop_writer.close()

    assert asyncio.run(some_give_up()) == list(range(1, 20, 2))
    assert stored() == [str(number) for number in range(1, 20, 2)]


def test_decisions_above_the_limit_of_the_queue_are_refused_at_once(monkeypatch):
    monkeypatch.setattr(writer, "MAX_WAITING", 3)

    async def too_many():
        waiting = []
        try:
            with pytest.raises(AuditUnavailable):
                waiting.extend(loop_writer.submit(decision(number)) for number in range(200))
            return await asyncio.gather(*waiting)
        finally:
            await loop_writer.close()

    asyncio.run(too_many())


@on_postgresql
def test_beyond_the_limit_of_the_lag_operations_are_refused(settings):
    settings.CC_AUDIT_LAG_LIMIT = 10
    event = Event(action="test.left.behind")
    insert_events([(event, ACTOR)], at=database_now() - timedelta(seconds=11))
    results = run(decision(1), decision(2))
    assert [type(result) for result in results] == [AuditUnavailable, AuditUnavailable]
    assert "sequenced" in results[0].detail
    assert stored() == [""]
