"""Each row becomes a leaf exactly once, in an order without gaps, regardless of concurrent work."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import Error, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from audit.log.bundles import Entry, bundle_of, entry_of, insert_bundle
from audit.log.events import Event
from audit.models import AuditBundle, AuditLog, AuditTile, AuditTree, UsageRollup
from audit.sequencing.bundles import step, taking
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.leadership import leading
from kernel.clock import database_now
from kernel.trust.row_mac import IntegrityFailed
from tests.audit.sequencing.log import (
    ACTOR,
    DONE,
    alarms,
    altered,
    assert_the_tree_is_that_of_the_rows,
    sequence_all,
    write,
    write_many,
)
from tests.log_entries import record

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]
postgresql_only = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one writer at a time"
)


def limit_steps(patch, limit):
    for name in ("BATCH", "BATCH_ON_SQLITE"):
        patch.setattr(step, name, limit)


def test_a_step_without_bundles_does_nothing():
    assert sequence_step() == 0
    assert AuditTree.objects.get().size == 0


def test_every_entry_gets_the_leaf_of_its_row():
    write(3)
    write_many(300)

    assert sequence_step() == 303
    assert not AuditBundle.objects.exists()
    assert_the_tree_is_that_of_the_rows()


def test_the_tree_grows_by_steps_of_any_size():
    for number in (1, 254, 1, 1, 255, 257, 512, 3):
        write_many(number)
        assert sequence_step() == number
        assert_the_tree_is_that_of_the_rows()


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(1, 70))
def test_the_size_of_a_step_does_not_matter(batches, limit):
    with pytest.MonkeyPatch.context() as patch:
        limit_steps(patch, limit)
        for number in batches:
            write_many(number)
            sequence_all()
    assert_the_tree_is_that_of_the_rows()


def test_a_second_step_does_nothing():
    write(5)
    sequence_step()

    assert sequence_step() == 0
    assert AuditLog.objects.count() == 5


@postgresql_only
def test_a_step_is_fast_when_the_statistics_of_postgresql_are_old():
    fill = (
        "INSERT INTO audit_bundles (at, writer, first, entries, body, mac) "
        "SELECT now(), gen_random_uuid(), 1, 1, '', '' FROM generate_series(1, 60000)"
    )
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_bundles SET (vacuum_truncate = false)")
        cursor.execute(fill)
        cursor.execute("DELETE FROM audit_bundles")
        cursor.execute("VACUUM ANALYZE audit_bundles")
        cursor.execute("ALTER TABLE audit_bundles RESET (vacuum_truncate)")
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 'audit_bundles'")
        assert cursor.fetchone() == (0.0,)
        cursor.execute(fill)
        with transaction.atomic():
            cursor.execute("SET LOCAL statement_timeout = '20s'")  # a nested-loop join takes a minute
            assert len(taking.take(20_000)) == taking.MOST


@postgresql_only
def test_an_entry_that_commits_late_is_not_passed_over():
    begun, goes_on = threading.Event(), threading.Event()

    def write_slowly():
        with transaction.atomic():
            record(DONE, ACTOR)  # its bundle takes its id now
            begun.set()
            assert goes_on.wait(30)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(write_slowly)
        assert begun.wait(30)
        write(5)
        assert sequence_step() == 5
        goes_on.set()
        slow.result(30)

    assert sequence_step() == 1
    assert_the_tree_is_that_of_the_rows()
    assert alarms() == []


def test_one_of_several_sequencers_leads_and_no_leaf_is_there_twice():
    ends = threading.Event()

    def keep_sequencing():
        total = 0
        while not ends.is_set():
            total += sequence_step()
        connection.close()
        return total

    with ThreadPoolExecutor(4) as pool:
        sequencers = [pool.submit(keep_sequencing) for _ in range(4)]
        for _ in range(20):
            write_many(17)
        while AuditBundle.objects.exists():
            pass
        ends.set()
        totals = [sequencer.result(30) for sequencer in sequencers]

    assert sum(totals) == 340
    assert_the_tree_is_that_of_the_rows()
    assert alarms() == []


def test_a_follower_waits_only_if_requested():
    write(2)
    leads, ends = threading.Event(), threading.Event()

    def lead():
        with leading() as is_leader:
            assert is_leader
            leads.set()
            assert ends.wait(30)
        connection.close()

    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(lead)
        assert leads.wait(30)
        assert sequence_step() == 0
        patient = pool.submit(lambda: (sequence_step(waits=True), connection.close())[0])
        ends.set()
        leader.result(30)
        assert patient.result(30) == 2


def test_a_step_that_fails_at_its_end_leaves_nothing_behind():
    write_many(300)
    sequence_step()
    write_many(
        20, event=Event(action="crypto.message.encrypted", object_type="key", object_id=str(uuid.uuid4()))
    )
    before = everything()

    # The roll-ups are written last.
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE usage_rollups RENAME TO elsewhere")
        with pytest.raises(Error):
            sequence_step()
        cursor.execute("ALTER TABLE elsewhere RENAME TO usage_rollups")
    assert everything() == before

    assert sequence_step() == 20
    assert_the_tree_is_that_of_the_rows()


def everything():
    models = (AuditBundle, AuditLog, AuditTile, AuditTree, UsageRollup)
    return [[plain(row) for row in model.objects.order_by("pk").values_list()] for model in models]


def plain(row):
    return [bytes(value) if isinstance(value, memoryview) else value for value in row]


@pytest.mark.parametrize(
    "change",
    [
        "size = size + 1",
        "size = size - 1",
        "root = edge",
        "edge = root",
    ],
)
def test_nothing_is_appended_to_a_tree_that_was_altered(change):
    write(7)
    sequence_step()
    altered(f"UPDATE audit_tree SET {change}")  # noqa: S608 - from the list above
    write()

    with pytest.raises(IntegrityFailed, match="The audit log tree was changed outside"):
        sequence_step()
    assert AuditBundle.objects.count() == 1


@pytest.mark.parametrize("statement", ["DELETE FROM audit_tiles", "DELETE FROM audit_tree"])
def test_nothing_is_appended_to_a_tree_that_is_gone(statement):
    write(7)
    sequence_step()
    altered(statement)
    write()

    with pytest.raises(IntegrityFailed, match="The audit log tree was changed outside"):
        sequence_step()


def test_a_step_takes_no_bundle_beyond_a_batch(monkeypatch):
    limit_steps(monkeypatch, 10)
    for _ in range(5):
        write_many(5)

    assert [sequence_step() for _ in range(4)] == [10, 10, 5, 0]
    assert_the_tree_is_that_of_the_rows()


@pytest.mark.parametrize(
    "text",
    ["plain-1.2_3", "", 'a"b', "back\\slash", "tab\tand\nline", "\\N", "é€😀", "\x7f\x01", "</script>"],
)
def test_any_text_has_the_bytes_of_its_canonical_form(text):
    actor = replace(ACTOR, request_id=text, actor_name=text, user_agent=text)
    many = [entry_of(Event(action="test.done", size=size, meta={text: text}), actor) for size in (None, 0, 7)]
    with transaction.atomic():
        insert_bundle(bundle_of(many, at=database_now(), writer=str(uuid.uuid4()), first=1))

    assert sequence_step() == 3
    assert_the_tree_is_that_of_the_rows()
    assert {row.request_id for row in AuditLog.objects.all()} == {actor.request_id}
    assert [row.size for row in AuditLog.objects.order_by("id")] == [None, 0, 7]


CHANGES = {
    "body": "UPDATE audit_bundles SET body = {other} WHERE id = {id}",
    "mac": "UPDATE audit_bundles SET mac = 'x' WHERE id = {id}",
    "another mac": "UPDATE audit_bundles SET mac = (SELECT mac FROM audit_bundles WHERE id <> {id} LIMIT 1) WHERE id = {id}",
    "time": "UPDATE audit_bundles SET at = '2020-01-01 00:00:00.000001+00' WHERE id = {id}",
    "writer": "UPDATE audit_bundles SET writer = '00000000000000000000000000000001' WHERE id = {id}",
    "first": "UPDATE audit_bundles SET first = 70 WHERE id = {id}",
    "entries": "UPDATE audit_bundles SET entries = 3 WHERE id = {id}",
}
ONLY_SQLITE = {
    "a text as number": "UPDATE audit_bundles SET first = 'x' WHERE id = {id}",
    "a text as body": "UPDATE audit_bundles SET body = 'x' WHERE id = {id}",
    "no UTF-8": "UPDATE audit_bundles SET mac = CAST(x'ff' AS TEXT) WHERE id = {id}",
    "bytes as writer": "UPDATE audit_bundles SET writer = x'ff' WHERE id = {id}",
}


@pytest.mark.parametrize("change", [*CHANGES, *(ONLY_SQLITE if connection.vendor == "sqlite" else ())])
def test_a_bundle_that_was_altered_is_set_aside_and_stops_nothing(change):
    write_many(2)
    write_many(2)
    first = AuditBundle.objects.earliest("id")
    other = r"'\x00'" if connection.vendor == "postgresql" else "x'00'"
    altered((CHANGES | ONLY_SQLITE)[change].format(id=first.id, other=other))

    assert sequence_all() == 3  # and the alarm
    [(code, meta)] = alarms()
    assert code == "bundle_rejected"
    assert f"bundle {first.id} of writer" in meta["found"]
    rows = list(AuditBundle.objects.values_list("id", "rejected_at"))
    assert [number for number, _ in rows] == [first.id]
    assert rows[0][1] is not None
    assert_the_tree_is_that_of_the_rows()


def test_a_bundle_that_is_replayed_is_set_aside():
    writer = write_many(3)
    [copy] = AuditBundle.objects.all()
    sequence_step()
    write_many(2, writer, first=4)
    copy.id = None
    copy.save(force_insert=True)

    assert sequence_all() == 3  # and the alarm
    assert [code for code, _ in alarms()] == ["bundle_rejected"]
    assert_the_tree_is_that_of_the_rows()


def test_a_bundle_that_is_stored_twice_is_expanded_once():
    write_many(3)
    [copy] = AuditBundle.objects.all()
    copy.id = None
    copy.save(force_insert=True)

    assert sequence_all() == 4  # and the alarm
    assert [code for code, _ in alarms()] == ["bundle_rejected"]


def test_bundles_in_another_order_are_a_gap():
    writer = write_many(3)
    write_many(2, writer, first=4)
    first, second = AuditBundle.objects.order_by("id")
    altered("UPDATE audit_bundles SET id = %s WHERE id = %s", second.id + 1, first.id)

    assert sequence_all() == 6
    assert [(code, meta["expected"], meta["found"]) for code, meta in alarms()] == [("sequence_gap", 3, 0)]


def test_a_bundle_that_is_gone_is_a_gap():
    writer = write_many(3)
    write_many(2, writer, first=4)
    altered("DELETE FROM audit_bundles WHERE first = 1")

    assert sequence_all() == 3
    assert [(code, meta["expected"], meta["found"]) for code, meta in alarms()] == [("sequence_gap", 3, 0)]


def test_a_bundle_whose_rows_do_not_fit_is_set_aside_alone():
    write_many(2)
    kind = entry_of(DONE, ACTOR).kind.replace(b'"outcome":"ok"', b'"outcome":"maybe"')
    with transaction.atomic():
        bad = Entry(kind, "0" * 32, "", None)
        insert_bundle(bundle_of([bad], at=database_now(), writer=str(uuid.uuid4()), first=1))
    write_many(2)

    assert sequence_all() == 5  # and the alarm
    [(code, meta)] = alarms()
    assert (code, meta["found"].rpartition(": ")[2]) == ("bundle_rejected", "the log takes no such row")
    assert_the_tree_is_that_of_the_rows()


def test_a_row_in_the_way_stops_the_sequencer_and_rejects_nothing():
    write(2)
    sequence_step()
    row = AuditLog.objects.latest("id")
    row.id, row.wseq = row.id + 1, 1000
    row.save(force_insert=True)
    write(2)

    with pytest.raises(IntegrityFailed, match="A row was inserted into audit_logs outside"):
        sequence_step()
    assert AuditBundle.objects.filter(rejected_at__isnull=True).count() == 2
