"""Each row becomes a leaf exactly once, in an order without gaps, regardless of concurrent work."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import Error, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.log import canonical
from audit.log.events import Event
from audit.models import AuditLeaf, AuditLog, AuditPending, AuditTile, AuditTree, UsageRollup
from audit.sequencing import step
from audit.sequencing.leadership import leading
from audit.sequencing.step import sequence_step
from audit.services import record
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
from tests.conftest import append_only_triggers_off

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]
postgresql_only = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one writer at a time"
)


def limit_steps(patch, limit):
    for name in ("BATCH", "BATCH_ON_SQLITE"):
        patch.setattr(step, name, limit)


def test_nothing_waits_and_nothing_happens():
    assert sequence_step() == 0
    assert AuditTree.objects.get().size == 0


def test_every_entry_gets_the_leaf_of_its_row():
    write(3)
    write_many(300)

    assert sequence_step() == 303
    assert not AuditPending.objects.exists()
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
    assert AuditLeaf.objects.count() == 5


def test_an_entry_that_is_put_on_the_list_again_keeps_its_one_leaf():
    entry = write(3)
    sequence_step()
    AuditPending.objects.create(log_id=entry.id)
    write()

    assert sequence_step() == 1
    assert_the_tree_is_that_of_the_rows()
    assert alarms() == []


@postgresql_only
def test_a_step_takes_a_moment_though_postgresql_believes_the_list_is_empty():
    fill = "INSERT INTO audit_pending (log_id) SELECT generate_series(%s::bigint, %s::bigint)"
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_pending SET (vacuum_truncate = false)")
        cursor.execute(fill, [1, 60_000])
        cursor.execute("DELETE FROM audit_pending")
        cursor.execute("VACUUM ANALYZE audit_pending")
        cursor.execute("ALTER TABLE audit_pending RESET (vacuum_truncate)")
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 'audit_pending'")
        assert cursor.fetchone() == (0.0,)
        cursor.execute(fill, [60_001, 120_000])
        with transaction.atomic():
            cursor.execute("SET LOCAL statement_timeout = '20s'")  # a nested-loop join takes a minute
            assert step._take() == list(range(60_001, 80_001))


@postgresql_only
def test_an_entry_that_commits_late_is_not_passed_over():
    begun, goes_on = threading.Event(), threading.Event()

    def write_slowly():
        with transaction.atomic():
            record(DONE, ACTOR)  # takes its id now
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
    assert AuditLeaf.objects.get(idx=5).log_id == AuditLog.objects.order_by("id").first().id
    assert_the_tree_is_that_of_the_rows()
    assert alarms() == []


def test_of_sequencers_at_once_one_leads_and_no_leaf_is_there_twice():
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
        while AuditPending.objects.exists():
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
    models = (AuditPending, AuditLeaf, AuditTile, AuditTree, UsageRollup)
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
    assert AuditPending.objects.count() == 1


@pytest.mark.parametrize("statement", ["DELETE FROM audit_tiles", "DELETE FROM audit_tree"])
def test_nothing_is_appended_to_a_tree_that_is_gone(statement):
    write(7)
    sequence_step()
    altered(statement)
    write()

    with pytest.raises(IntegrityFailed, match="The audit log tree was changed outside"):
        sequence_step()


def test_a_row_that_no_one_can_encode_does_not_stop_the_others():
    entry = write()
    beyond = canonical.MAX_INTEGER + 1
    altered("UPDATE audit_logs SET size = %s WHERE id = %s", beyond, entry.id)
    write(2)

    assert sequence_step() == 2
    assert [(code, meta["log_id"], meta["found"]) for code, meta in alarms()] == [
        ("mac_mismatch", entry.id, "no canonical form")
    ]
    assert not AuditLeaf.objects.filter(log_id=entry.id).exists()


def test_a_step_takes_no_more_than_a_batch(monkeypatch):
    limit_steps(monkeypatch, 10)
    write_many(25, uuid.uuid4())

    assert [sequence_step() for _ in range(4)] == [10, 10, 5, 0]
    assert_the_tree_is_that_of_the_rows()


def test_a_number_beyond_what_an_entry_holds_is_alarmed_and_stops_nothing():
    write(2)
    AuditPending.objects.create(log_id=2**53 + 1)

    assert sequence_step() == 2
    assert [(code, meta["log_id"]) for code, meta in alarms()] == [("entry_missing", str(2**53 + 1))]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("writer", "nobody"),
        ("writer", b"x"),
        ("wseq", "x"),
        ("count", "many"),
        ("timestamp", "never"),
        ("size", 1.5),
    ],
)
def test_what_only_someone_else_can_have_written_is_alarmed_and_stops_nothing(column, value):
    if connection.vendor == "postgresql":
        pytest.skip("PostgreSQL keeps to the types of its columns")
    write_many(3)  # of a writer other than this test's own
    entry = AuditLog.objects.latest("id")
    with append_only_triggers_off(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE audit_logs SET {column} = %s WHERE id = %s", [value, entry.id])  # noqa: S608

    assert sequence_step() == 2
    assert ("mac_mismatch", entry.id, "no canonical form") in [
        (code, meta["log_id"], meta["found"]) for code, meta in alarms()
    ]
