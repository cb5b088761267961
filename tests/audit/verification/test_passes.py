"""A pass over the log finds what was altered, in small steps, and raises each alarm once."""

import json
from functools import partial

import psycopg
import pytest
from django.db import connection

from audit.log.entries import ENTRY_FIELDS, entry_bytes
from audit.log.raw_rows import rows_of, spelled
from audit.models import AuditAlarm, AuditLog, AuditPass, AuditTile, AuditTrail, AuditTree
from audit.sequencing.head import HEAD_FILE
from audit.sequencing.state_beginning import begin_state
from audit.sequencing.tree import latest_checkpoint
from audit.services.resolving import resolve_alarm
from audit.tlog.merkle import leaf_hash
from audit.verification.fsck import verify_log
from audit.verification.passes import steps
from audit.verification.passes.steps import LISTED, read_pass, verify_next
from kernel import runtime
from kernel.clock import database_now
from tests.audit.sequencing.log import recreate_checkpoint_keys
from tests.audit.verification.passes import alarms, begin_earlier, insert_copy, run_pass
from tests.audit.verification.states import found
from tests.log_entries import log_rows
from tests.personas import make_persona
from tests.tampering.altering import execute, query, without_triggers
from tests.tampering.writing import SYSTEM, Log, sequence, sign

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def log(root_of_trust, settings):
    """About 340 entries, all signed, with 266 changed rows: two tiles, and two parts of rows."""
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)  # of a test with a longer log
    recreate_checkpoint_keys()
    log = Log(seed=5)
    for rows in (262, 2, 2):
        log.change(rows)
        log.operate(110)
        sequence()
        sign()
    yield log
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)


def altered(statement, *parameters):
    with without_triggers():
        assert execute(statement, parameters)


def entry_of(changed_row):
    event_id = AuditTrail.objects.get(id=changed_row).event_id
    return AuditLog.objects.get(event_id=event_id).id


def grow(log):
    log.operate(200)
    sequence()
    sign()


def test_a_pass_over_a_whole_log_ends_on_record_without_an_alarm(log):
    assert run_pass() == 4

    size = AuditTree.objects.get().size
    assert (alarms(), read_pass().size, read_pass().finished) == ([], size, 1)
    sequence()
    entry = log_rows().get(action="audit.pass.finished")
    assert (entry.outcome, json.loads(entry.meta)["entries"]) == ("ok", size)
    verify_next()  # the next one is not due
    assert read_pass().position == read_pass().end
    assert not verify_log().is_altered


def alter_row(log_id):
    altered("UPDATE audit_logs SET actor_name = 'x' WHERE id = %s", log_id)
    return [("entry_altered", log_id)]


def alter_row_and_leaf():
    """The attacker recomputes the hash of the entry, but has no key for MACs, and no key for checkpoints."""
    expected = alter_row(300)
    columns = spelled(AuditLog, ENTRY_FIELDS, "audit_logs")
    [row] = rows_of(f"SELECT {columns} FROM audit_logs WHERE id = 300")  # noqa: S608 - constants
    leaf = leaf_hash(entry_bytes(dict(zip(ENTRY_FIELDS, row, strict=True))))
    tile, at = AuditTile.objects.get(level=0, number=1), (299 - 256) * 32
    octets = bytes(tile.hashes)
    changed = octets[:at] + leaf + octets[at + 32 :]
    altered("UPDATE audit_tiles SET hashes = %s WHERE id = %s", changed, tile.id)
    # The tile is at the right edge of the tree.
    return [("checkpoint_inconsistent", None), *expected]


def remove_rows():
    altered("DELETE FROM audit_logs WHERE id IN (20, 21)")
    return [("entry_missing", 20)]


def alter_changed_row():
    first = AuditTrail.objects.earliest("id").id
    altered("UPDATE audit_trail SET table_name = 'x' WHERE id = %s", first)
    return [("entry_altered", entry_of(first))]


def remove_changed_row():
    last = AuditTrail.objects.latest("id").id
    expected = [("entry_altered", entry_of(last))]
    altered("DELETE FROM audit_trail WHERE id = %s", last)
    return expected


def add_changed_row(place=None):
    first, last = AuditTrail.objects.earliest("id"), AuditTrail.objects.latest("id")
    insert_copy(first, id=place or last.id + 1)
    return [("entry_altered", entry_of(first.id))]


def add_row():
    insert_copy(AuditLog.objects.get(id=9), id=9000, wseq=9000)
    return [("entry_altered", 9000)]


def alter_upper_hash():
    altered("UPDATE audit_tiles SET level = 9 WHERE level = 1")
    return [("checkpoint_inconsistent", None)] * 2


ALTERATIONS = [
    partial(alter_row, 9),
    partial(alter_row, 330),
    alter_row_and_leaf,
    remove_rows,
    add_row,
    alter_changed_row,
    remove_changed_row,
    add_changed_row,
    partial(add_changed_row, -5),
    alter_upper_hash,
]
if connection.vendor == "postgresql":  # SQLite would have no id for the next row
    ALTERATIONS.append(partial(add_changed_row, 2**63 - 1))


@pytest.mark.parametrize("alter", ALTERATIONS)
def test_an_alteration_raises_its_alarm_once(log, alter):
    expected = alter()

    run_pass()
    assert (alarms(), read_pass().alarms) == (expected, len(expected))
    run_pass()
    assert alarms() == expected


def test_many_alterations_raise_few_alarms(log):
    altered("UPDATE audit_logs SET actor_name = 'x' WHERE id <= 100")

    run_pass()
    expected = [
        *[("entry_altered", number) for number in range(1, LISTED + 1)],
        ("verification_failed", None),
    ]
    assert alarms() == expected
    run_pass()
    assert alarms() == expected
    alter_row(320)
    run_pass()
    assert alarms() == [*expected, ("verification_failed", None)]


def test_a_pass_goes_on_after_a_restart_and_leaves_newer_entries_to_the_next_one(log):
    verify_next()
    assert read_pass().position == 256
    alter_row(3)  # in a tile that is verified in the next pass again
    runtime.fresh()
    grow(log)
    newest = AuditTree.objects.get().size
    alter_row(newest)

    run_pass()
    assert (alarms(), read_pass().size < newest) == ([], True)
    run_pass()
    assert alarms() == [("entry_altered", 3), ("entry_altered", newest)]


POSITIONS = ["position = size + trail_size", "alarms = 7"]
if connection.vendor == "sqlite":
    POSITIONS.append("started_at = 'x', finished = 'x'")


@pytest.mark.parametrize("columns", POSITIONS)
def test_a_position_that_was_altered_is_found_and_the_pass_begins_again(log, columns):
    begin_state(actor=SYSTEM)
    verify_next()
    altered(f"UPDATE audit_passes SET {columns}")  # noqa: S608 - constants
    alter_row(9)

    verify_next()
    assert alarms() == [("verification_failed", None), ("entry_altered", 9)]
    assert read_pass().position == 256
    assert found() == ["audit_passes lacks 1 row that the application wrote"]


def test_a_position_of_an_earlier_pass_that_was_put_back_is_found(log):
    begin_state(actor=SYSTEM)
    run_pass()
    [row] = query("SELECT finished, started_at, position, row_seq, row_mac FROM audit_passes")
    run_pass()
    assert found() == []
    altered(
        "UPDATE audit_passes SET finished = %s, started_at = %s, position = %s, row_seq = %s, row_mac = %s",
        *row,
    )
    assert found() == ["at least one row of audit_passes is an older one, or was altered"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_checkpoints SET size = size + 1 WHERE size = (SELECT max(size) FROM audit_checkpoints)",
        "UPDATE audit_tree SET id_shift = 9223372036854775807",
    ],
)
def test_without_a_signed_head_the_pass_stops_with_an_alarm(log, statement):
    verify_next()
    altered(statement)

    verify_next()
    assert (alarms(), read_pass().position) == ([("checkpoint_inconsistent", None)], 256)


def test_a_log_that_was_cut_is_found(log):
    verify_next()
    altered("DELETE FROM audit_checkpoints WHERE size = (SELECT max(size) FROM audit_checkpoints)")

    verify_next()
    assert alarms() == [("checkpoint_inconsistent", None)]
    assert read_pass().size == latest_checkpoint().size


def test_a_step_catches_up_but_works_for_a_bounded_time(log, settings, monkeypatch):
    settings.CC_LOG_VERIFICATION_HOURS = 1
    verify_next()
    begin_earlier(read_pass(), hours=2, position=0)
    with monkeypatch.context() as patch:
        patch.setattr(steps, "_MOST_SECONDS", 0.0)
        verify_next()
    assert read_pass().position == 256
    for _ in range(2):
        verify_next()
    assert read_pass().finished == 1


@pytest.mark.parametrize(
    ("entries", "hours", "parts"),
    [(100, 24, 1), (10_000_000, 24, 5), (10_000_000, 1, 109), (256 * 8640, 24, 1), (256 * 8641, 24, 2)],
)
def test_the_parts_of_a_step_follow_from_the_size_and_the_time_left(settings, entries, hours, parts):
    settings.CC_LOG_VERIFICATION_HOURS = hours
    now = database_now()
    assert steps._parts_due(AuditPass(started_at=now, size=entries, trail_size=0), now) == parts


def test_the_verification_can_be_switched_off(log, settings):
    settings.CC_LOG_VERIFICATION_HOURS = 0
    verify_next()
    assert not AuditPass.objects.exists()


@pytest.mark.postgresql
def test_one_worker_at_a_time_verifies(log):
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(b"cc-logvf")])
        verify_next()
    assert not AuditPass.objects.exists()


def test_rows_that_were_restored_and_removed_again_raise_another_alarm(log):
    admin = make_persona("mira", "admin")
    execute("CREATE TABLE kept AS SELECT * FROM audit_logs WHERE id IN (20, 21)")
    try:
        remove_rows()
        run_pass()
        altered("INSERT INTO audit_logs SELECT * FROM kept")
        [alarm] = AuditAlarm.objects.all()
        resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="restored")
        remove_rows()
        run_pass()
        assert alarms() == [("entry_missing", 20)] * 2
        resolve_alarm(
            principal=admin.principal, alarm_id=AuditAlarm.objects.latest("raised_at").id, reason="lost"
        )
        run_pass()
        assert len(alarms()) == 2
    finally:
        execute("DROP TABLE kept")
