"""The verifier finds alterations, names the first bad index, and reports nothing about an intact log."""

import base64
import json
import threading
import time
import uuid
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction

from audit.actions import CHECKPOINT_KEY_PUBLISHED
from audit.log.canonical import format_timestamp
from audit.log.entries import ENTRY_FIELDS, entry_bytes
from audit.log.events import Actor, Event, RowChange, Source
from audit.log.raw_rows import rows_of, spelled
from audit.models import AuditBundle, AuditCheckpoint, AuditLog, AuditTile, AuditTree, CheckpointKey
from audit.sequencing.checkpoints.signing import thin_out_checkpoints
from audit.sequencing.checkpoints.signing_keys import active_signers, bootstrap_checkpoint_keys, trusted_keys
from audit.sequencing.head import HEAD_FILE, read_head, write_head
from audit.sequencing.rollups import add_usage
from audit.tlog.checkpoint import Checkpoint, CheckpointInvalid, VerifierKey, publication_message, sign_note
from audit.tlog.merkle import Frontier, leaf_hash
from audit.tlog.tiles import append
from audit.verification.findings import Finding, FindingKind, Report
from audit.verification.fsck import verify_log
from audit.verification.heads import OutsideCheckpoint
from kernel import runtime
from kernel.clock import database_now
from kernel.crypto import seed_signing
from kernel.trust import kek
from tests.kernel.ring import ring  # noqa: F401 - a fixture
from tests.log_entries import insert_events, record
from tests.tampering import forging, respelling
from tests.tampering.altering import Cell, execute, query, without_checks, without_triggers
from tests.tampering.writing import SYSTEM, Log, rotate_keys, sequence, sign, sign_in_the_past

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def log(root_of_trust, settings):
    """About 330 entries, of which the last four are not sequenced."""
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)  # of a test with a longer log
    CheckpointKey.objects.all().delete()
    bootstrap_checkpoint_keys()
    log = Log(seed=7)
    for _ in range(3):
        for rows in (0, 2, 3):
            log.change(rows)
        log.undo()
        log.elsewhere(2)
        log.operate(100)
        log.beat()
        sequence()
        sign()
    log.change(rows=2)
    log.operate(3)
    assert AuditTree.objects.get().size > 310
    yield log
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)


def altered(statement, *parameters):
    with without_triggers():
        assert execute(statement, parameters)


def kinds(report):
    return set(report.counts)


def first_bad(report):
    return report.first_bad.first, report.first_bad.last


def log_id_of(index):
    return index + 1


def test_a_log_that_is_whole_is_found_whole(log):
    report = verify_log()

    tree = AuditTree.objects.get()
    assert not report.is_altered, report.findings
    assert (report.size, report.root) == (tree.size, bytes(tree.root))
    assert report.signed_size == tree.size
    assert report.checkpoints == 3
    assert report.waiting == 4
    assert report.changed_rows > 15
    assert report.last_timestamp == format_timestamp(
        AuditLog.objects.get(id=log_id_of(tree.size - 1)).timestamp
    )


def test_an_empty_log_is_found_whole(root_of_trust):
    with without_triggers():
        execute("DELETE FROM audit_logs")
        execute("DELETE FROM audit_bundles")
        CheckpointKey.objects.all().delete()

    report = verify_log()

    assert (report.is_altered, report.size, report.last_timestamp) == (False, 0, None)


@pytest.mark.parametrize("index", [1, 255, 256, 300])
def test_an_altered_row_is_named_by_index_and_id(log, index):
    altered("UPDATE audit_logs SET actor_name = 'somebody else' WHERE id = %s", log_id_of(index))

    report = verify_log()

    assert kinds(report) == {FindingKind.ENTRY_ALTERED}
    assert first_bad(report) == (index, index)
    assert report.first_bad.log_id == log_id_of(index)
    assert "row was altered" in report.first_bad.text


def test_an_altered_leaf_is_distinguished_from_an_altered_row(log):
    tile = AuditTile.objects.get(level=0, number=1)
    octets, begin = bytes(tile.hashes), (300 - 256) * 32
    changed = octets[:begin] + b"x" * 32 + octets[begin + 32 :]
    altered("UPDATE audit_tiles SET hashes = %s WHERE id = %s", changed, tile.id)

    report = verify_log()

    assert first_bad(report) == (300, 300)
    assert "the leaf, or the id of its row, was altered" in report.first_bad.text


def test_a_row_that_only_its_mac_gives_away_is_found(log):
    """The attacker recomputes the tree, but has no key for MACs."""
    altered(
        "UPDATE audit_logs SET mac = %s WHERE id = %s",
        query("SELECT mac FROM audit_logs WHERE id = %s", [log_id_of(9)])[0][0],
        log_id_of(8),
    )

    report = verify_log()

    assert kinds(report) == {FindingKind.MAC_MISMATCH}
    assert first_bad(report) == (8, 8)


ABSURD = [
    ("audit_logs", "meta", "{]"),
    ("audit_logs", "meta", "[" * 20_000),
    ("audit_logs", "count", 2**60),
    ("audit_logs", "size", -(2**63)),
    ("audit_logs", "wseq", 2**63 - 1),
    ("audit_logs", "mac", ""),
    ("audit_logs", "mac", "1.x.y.z"),
    ("audit_logs", "action", "audit.writer.heartbeat"),
    ("audit_logs", "action", "audit.checkpoint_key.published"),
    ("audit_trail", "new_values", '{"a": 1.5}'),
    ("audit_trail", "new_values", "[" * 900 + "]" * 900),
    ("audit_trail", "old_values", "7"),
    ("audit_bundles", "body", b""),
    ("audit_bundles", "entries", -5),
    ("audit_bundles", "first", 2**63 - 1),
    ("audit_bundles", "mac", "1.x.y.z"),
    ("audit_tree", "old_size", -1),
    ("audit_tree", "id_shift", 2**63 - 1),
    ("audit_tiles", "hashes", b"x"),
    ("audit_tiles", "level", 30_000),
    ("audit_tiles", "number", -1),
    ("audit_tree", "size", -1),
    ("audit_tree", "edge", b"x"),
    ("audit_checkpoints", "note", ""),
    ("audit_checkpoints", "note", "ciphercanary/x\n1\nAAAA\n\n— x y\n"),
    ("audit_checkpoints", "size", -3),
    ("checkpoint_keys", "public_key", b"x"),
    ("checkpoint_keys", "algorithm", "rot13"),
    ("checkpoint_keys", "row_mac", ""),
    ("usage_rollups", "count", -(2**63)),
    ("usage_rollups", "size", 2**63 - 1),
]
ABSURD_ON_SQLITE = [
    ("audit_logs", "timestamp", "yesterday"),
    ("audit_logs", "timestamp", b"x"),
    ("audit_logs", "user_id", "nobody"),
    ("audit_logs", "actor_id", "nobody"),
    ("audit_logs", "event_id", 7),
    ("audit_logs", "writer", ""),
    ("audit_logs", "count", 1.5),
    ("audit_logs", "wseq", "three"),
    ("audit_logs", "actor_name", b"\xff"),
    ("audit_trail", "changed_at", 1.5),
    ("audit_trail", "new_values", b"\xff"),
    ("audit_trail", "event_id", "none"),
    ("audit_bundles", "body", "text"),
    ("audit_bundles", "at", "never"),
    ("audit_bundles", "writer", 7),
    ("audit_bundles", "first", "text"),
    ("audit_bundles", "mac", b"\xff"),
    ("audit_tree", "id_shift", "text"),
    ("audit_tiles", "hashes", "text"),
    ("audit_tiles", "level", "text"),
    ("audit_tree", "size", "text"),
    ("audit_tree", "root", 1),
    ("audit_checkpoints", "size", "text"),
    ("audit_checkpoints", "note", b"\xff"),
    ("audit_checkpoints", "signed_at", "never"),
    ("checkpoint_keys", "created_at", "never"),
    ("checkpoint_keys", "public_key", "text"),
    ("usage_rollups", "hour", "never"),
    ("usage_rollups", "count", "many"),
]
ABSURD_ON_POSTGRESQL = [
    ("audit_logs", "timestamp", "infinity"),
    ("audit_logs", "timestamp", "-infinity"),
    ("audit_logs", "timestamp", "2026-11-24 12:00:00+00 BC"),
    ("audit_logs", "timestamp", "200000-01-01 00:00:00+00"),
    ("audit_trail", "changed_at", "infinity"),
    ("audit_checkpoints", "signed_at", "infinity"),
    ("checkpoint_keys", "created_at", "infinity"),
    ("usage_rollups", "hour", "infinity"),
    ("usage_rollups", "last_at", "-infinity"),
]
ABSURD += ABSURD_ON_SQLITE if connection.vendor == "sqlite" else ABSURD_ON_POSTGRESQL


@pytest.mark.sweep
def test_an_absurd_value_is_a_finding_and_never_a_failure(log):
    """One log for all cases, because it takes a while to write."""
    keys = {"audit_checkpoints": "size", "checkpoint_keys": "kid"}
    places = {table: query(f"SELECT max({keys.get(table, 'id')}) FROM {table}")[0][0] for table, *_ in ABSURD}  # noqa: S608 - constants
    places["audit_logs"] = log_id_of(100)
    missed = []
    with without_checks():
        for table, column, value in ABSURD:
            cell = Cell(table, keys.get(table, "id"), places[table], column)
            before = cell.read()
            with without_triggers():
                cell.write(value)
            if not verify_log().is_altered:
                missed.append((table, column, value))
            with without_triggers():
                cell.moved(value).write(before)
    assert missed == []
    assert not verify_log().is_altered


@pytest.mark.sweep
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has one spelling of a value")
def test_only_the_spelling_that_the_application_writes_is_accepted(log):
    """Django reads the other spellings as the same value, but no query finds the row."""
    missed = []
    for table, column, name, spelling in respelling.CASES:
        with respelling.respelled(table, column, spelling):
            if not verify_log().is_altered:
                missed.append((table, column, name))
    assert missed == []
    assert not verify_log().is_altered


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL takes no text that is none")
def test_invalid_text_is_a_finding(log):
    altered("UPDATE audit_logs SET actor_name = CAST(x'ff' AS TEXT) WHERE id = %s", log_id_of(30))
    altered(
        "UPDATE audit_trail SET record_id = CAST(x'ff' AS TEXT) WHERE id = (SELECT max(id) FROM audit_trail)"
    )

    report = verify_log()

    assert kinds(report) == {FindingKind.ENTRY_ALTERED, FindingKind.TRAIL}
    assert first_bad(report) == (30, 30)
    assert query("SELECT actor_name FROM audit_logs WHERE id = %s", [log_id_of(31)])


def test_the_range_with_the_earliest_end_shows_the_first_bad_index():
    report = Report()
    ranges = [(300, 300), (50, 149), (99, 103), (90, 103), (0, 10_000), (None, None)]
    for first, last in ranges:
        report.add(Finding(FindingKind.CHECKPOINT, "x", first, last))

    assert first_bad(report) == (99, 103)
    assert str(report.first_bad) == "checkpoint (index 99 to 103): x"


def test_a_removed_row_is_named_by_the_index_of_its_leaf(log):
    log_id = log_id_of(120)
    altered("DELETE FROM audit_logs WHERE id = %s", log_id)

    report = verify_log()

    assert FindingKind.ENTRY_MISSING in kinds(report)
    assert first_bad(report) == (120, 120)
    assert report.first_bad.log_id == log_id


def test_a_missing_tile_is_named_and_its_rows_are_still_looked_at(log):
    altered("DELETE FROM audit_tiles WHERE level = 0 AND number = 1")
    altered("UPDATE audit_logs SET code = 'x' WHERE id = %s", log_id_of(310))

    report = verify_log()

    assert {FindingKind.TILE, FindingKind.MAC_MISMATCH} <= kinds(report)
    assert (310, 310) in {(finding.first, finding.last) for finding in report.findings}


def test_a_leaf_that_is_missing_with_its_row_is_named(log):
    altered("DELETE FROM audit_tiles WHERE level = 0 AND number = 1")
    altered("DELETE FROM audit_logs WHERE id = %s", log_id_of(257))

    report = verify_log()

    assert FindingKind.LEAF_MISSING in kinds(report)
    assert first_bad(report) == (257, 257)


WRITER = uuid.UUID(int=77, version=4)
SET_OR_CLEAR = "actor_id = CASE WHEN actor_id IS NULL THEN event_id END"


@pytest.mark.parametrize("actor_type", ["user", "service_account", "system"])
def test_the_id_of_an_actor_can_be_neither_set_nor_cleared(log, actor_type):
    [(index, log_id), *_] = query(
        "SELECT g.id - 1, g.id FROM audit_logs g WHERE g.actor_type = %s ORDER BY g.id",
        [actor_type],
    )
    altered(f"UPDATE audit_logs SET {SET_OR_CLEAR} WHERE id = %s", log_id)  # noqa: S608 - constants

    report = verify_log()

    assert FindingKind.ENTRY_ALTERED in kinds(report)
    assert first_bad(report) == (index, index)


@pytest.mark.parametrize("place", [0, -1])
def test_an_altered_actor_of_a_changed_row_is_found(log, place):
    log.actors = [log.actors[-1]]  # a service account
    log.change(rows=1)
    sequence()
    trail_id = sorted(query("SELECT id FROM audit_trail"))[place][0]
    altered(f"UPDATE audit_trail SET {SET_OR_CLEAR} WHERE id = %s", trail_id)  # noqa: S608 - constants

    assert kinds(verify_log()) == {FindingKind.TRAIL}


def test_an_inserted_row_has_no_leaf_and_does_not_wait_for_one(log):
    columns = ", ".join(
        f'"{field.column}"' for field in AuditLog._meta.fields if field.column not in {"id", "writer"}
    )
    altered(
        f"INSERT INTO audit_logs (id, writer, {columns}) SELECT 5000, %s, {columns} FROM audit_logs WHERE id = %s",  # noqa: S608 - constants
        uuid.uuid4().hex,
        log_id_of(5),
    )

    report = verify_log()

    assert {FindingKind.NOT_SEQUENCED, FindingKind.MAC_MISMATCH, FindingKind.SEQUENCE_GAP} <= kinds(report)


def test_an_altered_bundle_is_found(log):
    [(first, size), *_] = query("SELECT id, entries FROM audit_bundles ORDER BY id")
    before = verify_log()
    altered("UPDATE audit_bundles SET at = '2026-01-01 00:00:00.000001+00' WHERE id = %s", first)
    report = verify_log()
    assert FindingKind.BUNDLE in kinds(report)
    assert f"bundle {first} of writer" in report.findings[0].text
    assert report.waiting == before.waiting - size

    altered("UPDATE audit_bundles SET rejected_at = '2026-01-01 00:00:00.000001+00' WHERE id = %s", first)
    assert "it was rejected" in verify_log().findings[0].text


def test_a_bundle_that_is_in_the_log_already_is_found(log):
    sequence()
    with transaction.atomic():
        insert_events([(Event(action="test.done"), SYSTEM)], at=database_now(), writer=WRITER, first=1)
    copy = AuditBundle.objects.get()
    sequence()
    assert not verify_log().is_altered
    copy.save(force_insert=True)

    report = verify_log()
    assert report.counts == {FindingKind.BUNDLE: 1}
    assert "repeats numbers" in report.findings[0].text


def test_the_end_of_a_writer_that_was_removed_before_it_was_sequenced_is_reported_by_a_heartbeat(log):
    log.elsewhere(2)
    [(last,)] = query("SELECT max(id) FROM audit_bundles")
    log.beat()
    with without_triggers():
        execute("DELETE FROM audit_bundles WHERE id = %s", [last])
    sequence()
    with without_triggers():
        execute("DELETE FROM audit_trail WHERE event_id NOT IN (SELECT event_id FROM audit_logs)")
    sequence()
    sign()

    report = verify_log()

    assert kinds(report) == {FindingKind.SEQUENCE_GAP, FindingKind.ALARM}
    assert " is missing" in " ".join(finding.text for finding in report.findings)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL stores no text in a number")
def test_a_text_as_the_last_number_of_a_writer_ends_no_verification(log):
    [(writer, last)] = query(
        "SELECT writer, max(wseq) FROM audit_logs GROUP BY writer ORDER BY max(wseq) DESC LIMIT 1"
    )
    with without_triggers():
        execute("UPDATE audit_logs SET wseq = 'x' WHERE writer = %s AND wseq = %s", [writer, last])
    assert FindingKind.SEQUENCE_GAP in kinds(verify_log())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_trail SET record_id = 'x' WHERE id = (SELECT max(id) FROM audit_trail)",
        "DELETE FROM audit_trail WHERE id = (SELECT min(id) FROM audit_trail)",
        """UPDATE audit_trail SET event_id = (SELECT event_id FROM audit_logs WHERE action LIKE 'crypto%%' LIMIT 1)
        WHERE id = (SELECT min(id) FROM audit_trail)""",
    ],
)
def test_changed_rows_are_bound_to_their_event(log, statement):
    altered(statement)

    report = verify_log()

    assert kinds(report) == {FindingKind.TRAIL}


def test_a_changed_row_that_no_one_recorded_is_found(log):
    names = "table_name, record_id, action, old_values, new_values, changed_by, changed_at"
    for event_id in (uuid.uuid4().hex, query("SELECT event_id FROM audit_logs ORDER BY id")[0][0]):
        altered(
            f"INSERT INTO audit_trail (event_id, {names}) SELECT %s, {names} FROM audit_trail LIMIT 1",  # noqa: S608 - constants
            event_id,
        )
    report = verify_log()
    assert report.counts == {FindingKind.TRAIL: 2}
    assert "belongs to no entry" in report.findings[0].text

    altered(
        f"INSERT INTO audit_trail (event_id, {names}) SELECT event_id, {names} FROM audit_trail "  # noqa: S608 - constants
        "WHERE event_id IN (SELECT event_id FROM audit_logs) LIMIT 1"
    )
    assert verify_log().counts == {FindingKind.TRAIL: 3}


def test_usage_is_what_the_log_adds_up_to(log):
    altered("UPDATE usage_rollups SET count = count + 1 WHERE id = (SELECT min(id) FROM usage_rollups)")
    altered("DELETE FROM usage_rollups WHERE id = (SELECT max(id) FROM usage_rollups)")

    report = verify_log()

    found = [finding.text for finding in report.findings if "usage_days" not in finding.text]
    assert report.counts.keys() == {FindingKind.USAGE}
    assert len(found) == 2 < len(report.findings)  # the days differ from their hours now
    assert "as the log adds it up" in found[0] + found[1]


def test_a_tile_is_named_by_the_first_leaf_that_it_is_wrong_about(log):
    [(hashes,)] = query("SELECT hashes FROM audit_tiles WHERE level = 0 AND number = 1")
    altered(
        "UPDATE audit_tiles SET hashes = %s WHERE level = 0 AND number = 1",
        bytes(hashes[:320]) + b"x" * 32 + bytes(hashes[352:]),
    )
    assert first_bad(verify_log()) == (266, 266)

    altered("DELETE FROM audit_tiles WHERE level = 1")
    report = verify_log()
    assert report.counts[FindingKind.TILE] == 2
    assert first_bad(report) == (0, 255)


def test_tiles_and_checkpoints_that_no_such_log_has_are_found(log):
    altered(
        "INSERT INTO audit_tiles (level, number, hashes) SELECT 9, 0, hashes FROM audit_tiles WHERE level = 1"
    )
    altered(
        "INSERT INTO audit_tiles (level, number, hashes) SELECT 0, 2, hashes FROM audit_tiles WHERE level = 1"
    )
    assert verify_log().counts == {FindingKind.TILE: 2}

    altered(
        "INSERT INTO audit_checkpoints (size, note, signed_at) SELECT -3, note, signed_at FROM audit_checkpoints LIMIT 1"
    )
    report = verify_log()
    assert report.counts == {FindingKind.TILE: 2, FindingKind.CHECKPOINT: 1}
    assert "-3 entries is none of this log" in " ".join(finding.text for finding in report.findings)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="a constraint of a table of SQLite stays")
def test_duplicate_rows_are_found(log):
    names = ("audit_tiles_position", "audit_logs_pkey", "audit_logs_writer_is_sequenced")
    definitions = query("SELECT pg_get_indexdef(name::regclass) FROM unnest(%s::text[]) name", [list(names)])
    for table, constraint in zip(("audit_tiles", "audit_logs", "audit_logs"), names, strict=True):
        with without_triggers(), transaction.atomic():
            execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {constraint}")
            execute(f"DROP INDEX IF EXISTS {constraint}")
    columns = "level, number, hashes"
    altered(f"INSERT INTO audit_tiles ({columns}) SELECT {columns} FROM audit_tiles WHERE level = 0")  # noqa: S608 - constants
    report = verify_log()
    assert kinds(report) == {FindingKind.TILE, FindingKind.SCHEMA}
    assert first_bad(report) == (0, 255)

    altered(
        "DELETE FROM audit_tiles WHERE id IN (SELECT max(id) FROM audit_tiles GROUP BY level, number HAVING count(*) > 1)"
    )
    altered("INSERT INTO audit_logs SELECT * FROM audit_logs WHERE id = 10")
    report = verify_log()
    assert {FindingKind.LEAF_SURPLUS, FindingKind.SEQUENCE_GAP} <= kinds(report)
    assert (9, 9) in {(finding.first, finding.last) for finding in report.findings}

    altered(
        "DELETE FROM audit_logs WHERE id = 10 AND ctid = (SELECT max(ctid) FROM audit_logs WHERE id = 10)"
    )
    for (definition,) in definitions:
        execute(definition)
    execute(
        "ALTER TABLE audit_tiles ADD CONSTRAINT audit_tiles_position UNIQUE USING INDEX audit_tiles_position"
    )
    execute("ALTER TABLE audit_logs ADD CONSTRAINT audit_logs_pkey PRIMARY KEY USING INDEX audit_logs_pkey")
    assert not verify_log().is_altered


def test_an_entry_that_was_rewritten_with_its_tree_is_between_the_checkpoints_around_it(log):
    first, second, _ = AuditCheckpoint.objects.order_by("size")
    with without_triggers():
        forging.rewrite(first.size + 5, actor_name="somebody else")
        forging.rebuild(forging.entries())

    report = verify_log()
    assert kinds(report) == {FindingKind.CHECKPOINT, FindingKind.OLDER}
    assert first_bad(report) == (first.size, second.size - 1)

    with without_triggers():
        forging.resign(active_signers(), beyond=first.size)
    assert not verify_log().is_altered
    outside = [OutsideCheckpoint.parse(f"{each.size}", each.note) for each in (first, second)]
    report = verify_log(outside=outside)
    assert report.counts == {FindingKind.CHECKPOINT: 1}
    assert first_bad(report) == (first.size, second.size - 1)


def test_the_cut_tail_is_named_by_what_this_host_remembers(log):
    before = read_head()
    [(size,)] = query("SELECT size FROM audit_checkpoints ORDER BY size LIMIT 1 OFFSET 1")
    cut_back_to(size)

    report = verify_log()

    assert {FindingKind.OLDER, FindingKind.CHECKPOINT} == kinds(report)
    assert first_bad(report) == (size, size)
    assert str(before.size) in report.findings[0].text


def cut_back_to(size):
    """Roll the log back to a checkpoint, as a restored backup would."""
    rows = AuditLog.objects.filter(id__lte=size).order_by("id").values(*ENTRY_FIELDS)
    leaves = [leaf_hash(entry_bytes(row)) for row in rows]
    frontier = Frontier.EMPTY.extended(leaves)
    with without_triggers():
        execute("DELETE FROM audit_logs WHERE id > %s", [size])
        execute("DELETE FROM audit_trail WHERE event_id NOT IN (SELECT event_id FROM audit_logs)")
        execute("DELETE FROM audit_bundles")
        execute("DELETE FROM audit_checkpoints WHERE size > %s", [size])
        execute("DELETE FROM audit_tiles")
        for (level, number), hashes in append(0, {}, leaves).items():
            execute(
                "INSERT INTO audit_tiles (level, number, hashes) VALUES (%s, %s, %s)", [level, number, hashes]
            )
        execute(
            "UPDATE audit_tree SET size = %s, edge = %s, root = %s",
            [size, frontier.encode(), frontier.root()],
        )
        execute("DELETE FROM usage_rollups")
        execute("DELETE FROM usage_days")
        recount()


def recount():
    with transaction.atomic():
        columns = spelled(AuditLog, ENTRY_FIELDS, "g")
        rows = rows_of(f"SELECT {columns} FROM audit_logs g")  # noqa: S608
        add_usage(dict(zip(ENTRY_FIELDS, row, strict=True)) for row in rows)


def test_the_cut_tail_is_named_by_a_checkpoint_kept_outside_where_the_host_has_forgotten(log, settings):
    kept = AuditCheckpoint.objects.get(size=AuditTree.objects.get().size)
    [(size,)] = query("SELECT min(size) FROM audit_checkpoints")
    cut_back_to(size)
    (settings.CC_HOME / HEAD_FILE).unlink()
    assert not verify_log().is_altered

    report = verify_log(outside=[OutsideCheckpoint.parse("kept", kept.note)])

    assert kinds(report) == {FindingKind.CHECKPOINT}
    assert first_bad(report) == (size, size)


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_a_deleted_checkpoint_is_missed_wherever_it_was(log, offset):
    sizes = list(AuditCheckpoint.objects.order_by("size").values_list("size", flat=True))
    altered("DELETE FROM audit_checkpoints WHERE size = %s", sizes[offset])

    report = verify_log()

    assert kinds(report) == {FindingKind.CHECKPOINT}
    assert str(sizes[offset]) in report.findings[0].text
    altered("DELETE FROM audit_checkpoints")
    assert kinds(verify_log()) == {FindingKind.CHECKPOINT}


LINK = "UPDATE audit_checkpoints SET previous = {}, kept = {}, link_mac = {} WHERE size = %s"


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        (("0", "0", "link_mac"), "was altered"),
        (("previous", "kept", "NULL"), "was altered"),
        (("NULL", "NULL", "NULL"), "has lost its link"),
    ],
)
def test_the_link_of_a_checkpoint_cannot_be_altered_to_hide_a_deletion(log, link, fault):
    first, *others = AuditCheckpoint.objects.order_by("size").values_list("size", flat=True)
    altered("DELETE FROM audit_checkpoints WHERE size = %s", first)
    for size in others:
        altered(LINK.format(*link), size)

    report = verify_log()

    assert report.counts == {FindingKind.CHECKPOINT: 2}
    assert all(fault in finding.text for finding in report.findings)


def test_checkpoints_from_before_links_are_not_missed(log):
    """As after an upgrade: the published keys do not mention links, which the next key rotation requires."""
    links = partial(AuditCheckpoint.objects.filter(link_mac__isnull=False).values_list, "size", flat=True)
    with without_triggers():
        forging.rewrite(
            0,
            meta=AuditLog.objects.get(id=log_id_of(0))
            .meta.replace(',"linked_checkpoints":true', "")
            .replace('"linked_checkpoints":true,', ""),
        )
        forging.rebuild(forging.entries())
        AuditCheckpoint.objects.update(previous=None, kept=None, link_mac=None)
        forging.resign(active_signers())
    assert not verify_log().is_altered
    newest = AuditCheckpoint.objects.order_by("size").last().size

    rotate_keys()

    assert not verify_log().is_altered
    assert list(links())
    altered(LINK.format("NULL", "NULL", "NULL"), max(links()))
    assert kinds(verify_log()) == {FindingKind.CHECKPOINT}
    altered("DELETE FROM audit_checkpoints WHERE size = %s", newest)
    assert str(newest) in " ".join(finding.text for finding in verify_log().findings)


def test_thinning_out_is_no_deletion(log):
    """Thinning keeps the last checkpoint of each hour and of former keys; any other deletion is reported."""
    with without_triggers():
        AuditCheckpoint.objects.all().delete()  # of today
    minutes = [50 * 60, 50 * 60 - 10, 50 * 60 - 20, 40 * 60 - 5, 40 * 60 - 15]
    sizes = sign_in_the_past(log, *(timedelta(minutes=each) for each in minutes))
    log.operate(1)
    sequence()
    sign()
    newest = AuditCheckpoint.objects.order_by("size").last().size
    assert not verify_log().is_altered

    assert thin_out_checkpoints() == 3

    assert list(AuditCheckpoint.objects.order_by("size").values_list("size", flat=True)) == [
        sizes[2],
        sizes[4],
        newest,
    ]
    assert not verify_log().is_altered
    for size in (sizes[2], sizes[4]):
        kept = AuditCheckpoint.objects.get(size=size)
        altered("DELETE FROM audit_checkpoints WHERE size = %s", size)
        report = verify_log()
        assert kinds(report) == {FindingKind.CHECKPOINT}
        assert f"the checkpoint of {size}, which" in report.findings[0].text
        AuditCheckpoint.objects.bulk_create([kept])


def test_a_checkpoint_that_an_anchor_took_is_missed(log):
    [(size,)] = query("SELECT min(size) FROM audit_checkpoints")
    values = "(size, anchor, receipt, anchored_at) SELECT size, 'file', 'x', signed_at FROM audit_checkpoints"
    altered(f"INSERT INTO audit_receipts {values}")
    assert not verify_log().is_altered

    altered("DELETE FROM audit_checkpoints WHERE size = %s", size)
    assert kinds(verify_log()) == {FindingKind.RECEIPT, FindingKind.CHECKPOINT}


def test_when_a_checkpoint_was_signed_is_what_was_signed(log):
    newest = AuditCheckpoint.objects.order_by("-size")[0]
    with without_triggers():
        AuditCheckpoint.objects.filter(size=newest.size).update(
            signed_at=newest.signed_at - timedelta(seconds=1)
        )

    report = verify_log()

    assert kinds(report) == {FindingKind.CHECKPOINT}
    assert "when its row says" in report.findings[0].text


UPDATE_NOTE = "UPDATE audit_checkpoints SET note = %s WHERE size = %s"


@pytest.mark.sweep
def test_no_character_of_a_stored_checkpoint_can_be_altered_not_even_to_make_a_signature_nobodys(log):
    row = AuditCheckpoint.objects.order_by("-size")[0]
    second = row.note.index("\n— ", row.note.index("\n— ") + 1)
    altered_unnoticed = []
    for at in [*range(0, second, 17), *range(second + 1, second + 80, 3), len(row.note) - 2]:
        char = "x" if row.note[at] != "x" else "y"
        altered(UPDATE_NOTE, f"{row.note[:at]}{char}{row.note[at + 1 :]}", row.size)
        if not verify_log().is_altered:
            altered_unnoticed.append(at)
    for note in (row.note[: second + 1], row.note + row.note[second + 1 :]):
        altered(UPDATE_NOTE, note, row.size)
        assert kinds(verify_log()) == {FindingKind.CHECKPOINT}
    assert altered_unnoticed == []


def test_checkpoints_kept_outside_count_only_if_they_were_signed(log):
    note = AuditCheckpoint.objects.order_by("size")[0].note
    good = OutsideCheckpoint.parse("good", note)
    head = Checkpoint.parse(note.rpartition("\n\n")[0] + "\n")
    forged = OutsideCheckpoint.parse("forged", note.replace(head.text, replace(head, root=b"x" * 32).text))

    assert not verify_log(outside=[good]).is_altered
    assert kinds(verify_log(outside=[forged])) == {FindingKind.CHECKPOINT}
    with pytest.raises(CheckpointInvalid):
        OutsideCheckpoint.parse("nothing", "nothing")


def test_pinned_keys_decide_and_vouch_for_those_that_the_log_publishes(log):
    pinned = trusted_keys()
    rotate_keys()
    log.write(20)
    sequence()
    sign()
    assert len(trusted_keys()) == 4

    assert not verify_log(pinned=pinned).is_altered
    assert not verify_log(pinned=[key for key in pinned if key.algorithm == seed_signing.ED25519]).is_altered
    name, (_, public_key) = pinned[0].name, seed_signing.generate(seed_signing.ED25519)
    report = verify_log(pinned=[VerifierKey(name, seed_signing.ED25519, public_key)])
    assert kinds(report) == {FindingKind.CHECKPOINT}
    assert first_bad(report) == (0, report.size - 1)


def test_a_key_row_that_was_altered_removed_or_smuggled_in_is_found(log):
    [kid, other] = CheckpointKey.objects.order_by("algorithm").values_list("kid", flat=True)
    kept = list(CheckpointKey.objects.all())

    altered("UPDATE checkpoint_keys SET public_key = %s WHERE kid = %s", b"x" * 32, kid)
    assert FindingKind.KEY in kinds(verify_log())

    altered("DELETE FROM checkpoint_keys WHERE kid = %s", other)
    assert verify_log().counts[FindingKind.KEY] == 2

    CheckpointKey.objects.all().delete()
    CheckpointKey.objects.bulk_create(kept)
    assert not verify_log().is_altered
    smuggled = CheckpointKey(
        kid="smuggled",
        algorithm=seed_signing.ED25519,
        public_key=b"y" * 32,
        state="retired",
        created_at=kept[0].created_at,
        kek_id=kept[0].kek_id,
        wrapped=b"",
    )
    smuggled.save_with_mac()
    assert kinds(verify_log()) == {FindingKind.KEY}


def test_a_head_of_another_log_on_the_host_is_found(log, settings):
    head = read_head()
    write_head(type(head)(head.size, b"x" * 32))
    assert kinds(verify_log()) == {FindingKind.OLDER}

    (settings.CC_HOME / HEAD_FILE).write_text("nothing")
    assert kinds(verify_log()) == {FindingKind.OLDER}


def test_the_row_of_the_tree_is_there_once(log):
    altered("DELETE FROM audit_tree")
    try:
        assert kinds(verify_log()) == {FindingKind.TREE}
    finally:  # a row that later tests need
        tree = verify_log()
        AuditTree.objects.create(id=1, size=0, root=tree.root)


def test_a_hundred_of_many_findings_are_listed_and_all_are_counted(log):
    altered("UPDATE audit_logs SET request_id = 'x'")

    report = verify_log()

    assert len(report.findings) == 100
    assert report.counts[FindingKind.ENTRY_ALTERED] == report.size
    assert first_bad(report) == (0, 0)


def test_it_runs_while_others_write_and_sequence_without_a_false_alarm(log):
    stops, seen = threading.Event(), []

    def work(duty):
        while not stops.is_set():
            duty()
            time.sleep(0.002)  # SQLite allows one writer at a time
        connections.close_all()

    def write():
        with transaction.atomic():
            record(
                Event(action="keys.key.created"),
                Actor.system("busy", Source.COMMAND),
                changes=[RowChange.inserted("t", 1, {"a": 1})],
            )

    def go_on():
        sequence()
        sign()

    threads = [threading.Thread(target=work, args=[duty]) for duty in (write, write, go_on)]
    for thread in threads:
        thread.start()
    try:
        until = time.monotonic() + 300
        while len(seen) < 8 or seen[-1].size == seen[0].size:
            seen.append(verify_log())
            assert time.monotonic() < until
    finally:
        stops.set()
        for thread in threads:
            thread.join()

    assert [report.findings for report in seen if report.is_altered] == []


def test_an_alarm_is_a_finding_until_it_is_known(log, capsys):
    sequence()
    log.operate(1)
    altered("DELETE FROM audit_bundles")
    log.operate(1)
    sequence()
    sequence()
    sign()
    log.operate(1)
    place = AuditLog.objects.get(action="audit.log.alarmed", code="sequence_gap").id - 1

    report = verify_log()

    assert FindingKind.ALARM in kinds(report)
    assert (place, place) in {(finding.first, finding.last) for finding in report.findings}
    alarms = report.alarms
    assert FindingKind.ALARM not in kinds(verify_log(known_alarms=alarms))
    assert verify_log(known_alarms=alarms - 1).counts[FindingKind.ALARM] == 1
    assert f"{alarms} alarms are in the log" in command("--known-alarms", str(alarms), capsys=capsys)[1]


# --- The command


def command(*arguments, capsys):
    """Exit code and what was printed."""
    capsys.readouterr()
    code = 0
    try:
        call_command("verify_audit_log", *arguments)
    except CommandError as error:
        code = error.returncode
    return code, capsys.readouterr().out


def test_the_command_shows_how_far_the_log_is_whole(log, capsys):
    code, out = command(capsys=capsys)

    assert code == 0
    assert f"{AuditTree.objects.get().size} entries verified, up to 2" in out
    assert "3 checkpoints are valid" in out
    assert "4 entries are not yet sequenced" in out


def test_the_command_names_the_first_bad_index_and_fails(log, capsys):
    altered("UPDATE audit_logs SET actor_name = 'x' WHERE id = %s", log_id_of(77))

    code, out = command(capsys=capsys)
    assert code == 1
    assert "first bad index: 77" in out.splitlines()
    assert f"entry_altered (index 77, log id {log_id_of(77)})" in out

    code, out = command("--json", capsys=capsys)
    assert code == 1
    assert json.loads(out)["first_bad"]["first"] == 77


def test_the_command_takes_keys_and_checkpoints_from_outside(log, capsys, tmp_path):
    note = AuditCheckpoint.objects.order_by("size")[1].note
    (tmp_path / "checkpoint").write_text(note)
    (tmp_path / "keys").write_text("\n".join(key.vkey for key in trusted_keys()))
    good = ["--key", str(tmp_path / "keys"), "--checkpoint", str(tmp_path / "checkpoint")]
    assert command(*good, capsys=capsys)[0] == 0
    assert "4 checkpoints are valid" in command(*good, capsys=capsys)[1]

    (tmp_path / "checkpoint").write_text(note.replace("\n\n", "\n\n", 1)[:-20] + "AAAAAAAAAAAAAAAAAAA\n")
    assert command(*good, capsys=capsys)[0] in {1, 2}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--key", "nowhere/keys"],
        ["--checkpoint", "nowhere/checkpoint"],
        ["--checkpoint", __file__],
        ["--key", "/dev/null"],
    ],
)
def test_an_unreadable_file_is_neither_good_nor_altered(log, capsys, arguments):
    assert command(*arguments, capsys=capsys)[0] == 2


@pytest.mark.usefixtures("ring")
def test_without_its_keys_it_cannot_run(log, capsys):
    for file in kek.ring_files():
        file.unlink()
    runtime.fresh()
    assert command(capsys=capsys)[0] == 2


def test_an_interruption_exits_with_2(log, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("audit.commands.PeriodicProgress.__call__", interrupt)
    assert command(capsys=capsys)[0] == 2


# --- A publication that the application did not write


def test_pinned_keys_vouch_only_for_keys_that_they_signed(log):
    """The MAC is valid: the attacker has the database and the key of MACs, but no key that signs checkpoints."""
    pinned = trusted_keys()
    strangers = [
        seed_signing.generate(algorithm) for algorithm in (seed_signing.ED25519, seed_signing.ML_DSA_44)
    ]
    keys = [
        VerifierKey(pinned[0].name, key.algorithm, own[1]) for key, own in zip(pinned, strangers, strict=True)
    ]
    message = publication_message(pinned[0].name, [key.vkey for key in keys])
    own = seed_signing.sign(keys[0].algorithm, strangers[0][0], message)
    signatures = {key.key_name: base64.b64encode(own).decode() for key in (*keys, *pinned)}
    meta = {"vkeys": [key.vkey for key in keys], "signatures": signatures}
    with transaction.atomic():
        record(Event(action=CHECKPOINT_KEY_PUBLISHED, meta=meta), Actor.system("x", Source.COMMAND))
    sequence()
    sign()
    size = AuditTree.objects.get().size
    signers = [
        (key, partial(seed_signing.sign, key.algorithm, material))
        for key, (material, _) in zip(keys, strangers, strict=True)
    ]
    note = sign_note(Checkpoint(pinned[0].name, size, bytes(AuditTree.objects.get().root)), signers, 0)

    report = verify_log(pinned=pinned, outside=[OutsideCheckpoint.parse("theirs", note)])
    assert any("theirs does not count" in str(finding) for finding in report.findings)
