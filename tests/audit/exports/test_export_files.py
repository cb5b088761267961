"""The file of an export contains exactly the requested entries, as of one moment."""

import csv
import hashlib
import io
import json
import tarfile
from functools import partial

import pytest
from django.db import transaction

from audit import actions
from audit.exports import files, task
from audit.exports.formats import csv_line, guarded
from audit.exports.tiles import export_log
from audit.log import entries
from audit.log.events import Actor, Event, Source
from audit.models import AuditLog
from audit.sequencing.catching_up import catch_up
from audit.sequencing.checkpoints.signing import sign_checkpoint
from audit.sequencing.checkpoints.signing_keys import bootstrap_checkpoint_keys, trusted_keys
from kernel.databases.transactions import one_snapshot
from tests.audit.ccverify import run
from tests.audit.exports.exporting import (
    EXPORTS,
    exported,
    fetch,
    ids,
    in_thread,
    look,
    meanwhile,
    on_record,
    order,
    seconds_to,
    signed_log,
    work,
)
from tests.audit.pages import text_of
from tests.audit.sequencing.log import alarms, altered, sequence_all, write, write_many
from tests.audit.service_accounts import BILLING, account
from tests.browsing import signed_in
from tests.log_entries import log_rows
from tests.personas import make_persona

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_line_is_an_entry_in_the_bytes_that_are_hashed_and_its_integrity(auditor):
    event = Event(action="test.thing.done", object_id="the-object", meta={"é": "\u2028 \U0001f600"})
    write(2, event)
    write(1, event, actor=account())
    content, reported = exported(auditor, object="the-object")

    rows = log_rows().filter(object_id="the-object").order_by("id").values()
    assert content == b"".join(entries.entry_bytes(row)[:-1] + b',"integrity":"verified"}\n' for row in rows)
    assert [json.loads(line).get("actor_id", "none") for line in content.splitlines()] == [
        "none",
        "none",
        str(BILLING),
    ]
    assert (reported["rows"], reported["size"]) == (3, len(content))
    assert reported["sha256"] == hashlib.sha256(content).hexdigest()


def test_an_export_without_filters_is_the_whole_log(auditor):
    write(5)
    content, reported = exported(auditor)

    last = log_rows().get(action=actions.EXPORT_REQUESTED).id  # later entries follow the snapshot
    expected = list(log_rows().filter(id__lte=last).order_by("id").values_list("id", flat=True))
    assert ids(content) == expected
    assert reported["rows"] == reported["total"] == reported["done"] == len(expected)


@pytest.mark.parametrize(
    "filters",
    [
        {"actor": "rotate_keys"},
        {"action": "test.other.done"},
        {"object": "the-object"},
        {"outcome": "denied"},
        {"source": "scheduler"},
        {"search": "needle hay"},
        {"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"},
        {"from": "2020-01-01T00:00:00Z", "actor": "rotate_keys", "source": "command"},
    ],
)
def test_filters_select_what_the_list_shows_under_them(auditor, filters):
    write(2)
    write(1, Event(action="test.thing.done", meta={"reason": "a needle in the hay"}))
    write(1, Event(action="test.other.done", object_id="the-object", outcome="denied"))
    write(1, actor=Actor.system("rotate_keys", Source.COMMAND))
    write(1, actor=Actor.system("sequencer", Source.SCHEDULER))
    content, reported = exported(auditor, **filters)

    query = "&".join(f"{name}={value}" for name, value in filters.items())
    last = log_rows().get(action=actions.EXPORT_REQUESTED).id
    listed = auditor.api.get(f"/api/v1/audit/logs?limit=100&{query}").json["results"]
    assert ids(content) == sorted(entry["id"] for entry in listed if entry["id"] <= last)
    assert set(reported["filters"]) == set(filters)


def test_csv_has_a_header_and_the_same_columns(auditor):
    event = Event(action="test.thing.done", object_id='a "quoted", id\r\n', meta={"reason": "x"})
    write(1, event)
    write(1, event, actor=account())
    content, reported = exported(auditor, "csv", action="test.thing.done")

    header, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
    assert header == [*entries.ENTRY_FIELDS[:-1], "integrity", "actor_id"]
    stored = log_rows().filter(action="test.thing.done").order_by("id")
    assert [dict(zip(header, row, strict=True)) for row in rows] == [as_texts(entry) for entry in stored]
    assert reported["rows"] == 2
    assert content.count(b"\r\n") == 1 + 2 + 2  # header, rows, and one inside each object id


def as_texts(entry):
    columns = {"actor_id": None}
    columns |= json.loads(entries.entry_bytes(entries.values_of(entry, entries.ENTRY_FIELDS)))
    texts = {name: "" if columns[name] is None else str(columns[name]) for name in entries.ENTRY_FIELDS}
    return texts | {"integrity": "verified"}


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x","y")']
)
def test_no_cell_of_a_csv_begins_like_a_formula(auditor, text):
    write(1, Event(action="test.thing.done", object_id=text))
    content, _ = exported(auditor, "csv", action="test.thing.done")

    _, row = csv.reader(io.StringIO(content.decode(), newline=""))
    cell = row[entries.ENTRY_FIELDS.index("object_id")]
    assert cell.startswith("'")
    assert cell.replace("'", "") == text


@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
@pytest.mark.parametrize("text", ['Mozilla;"=1+1;x', 'a|""=1', 'x\t"@SUM(A1)', '"=1+1'])
def test_no_cell_is_a_formula_with_another_separator(separator, text):
    line = csv_line(dict.fromkeys(entries.ENTRY_FIELDS, text), "altered").decode()
    cells = next(csv.reader([line], delimiter=separator))
    assert not [cell for cell in cells if cell.lstrip('"').startswith(("=", "@"))]


@pytest.mark.parametrize("text", ["", "plain", "a=b", "1-2", "'", " =1", '"quoted"'])
def test_a_harmless_cell_stays_as_it_is(text):
    assert guarded(text) == text


def test_every_column_of_text_is_guarded():
    row = dict.fromkeys(entries.ENTRY_FIELDS, "=x")
    cells = [b"'=x"] * (len(row) - 1)
    assert csv_line(row, "altered") == b",".join([*cells, b"altered", b"'=x"]) + b"\r\n"


def test_tiles_are_the_folder_that_the_command_writes_as_one_file(auditor, tmp_path):
    signed_log(600)
    content, reported = exported(auditor, "tiles")
    export_log(tmp_path / "log")

    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = {member.name: archive.extractfile(member).read() for member in archive.getmembers()}
    files = [path for path in (tmp_path / "log").rglob("*") if path.is_file()]
    assert members == {f"audit-log/{path.relative_to(tmp_path / 'log')}": path.read_bytes() for path in files}
    size, root = members["audit-log/checkpoint"].decode().split("\n")[1:3]
    assert reported["checkpoint"] == {"size": int(size), "root": root}
    assert reported["rows"] == reported["done"] == reported["total"] == int(size) > 600
    assert reported["vkeys"] == members["audit-log/keys"].decode().splitlines()
    assert reported["sha256"] == hashlib.sha256(content).hexdigest()


def test_two_archives_of_one_checkpoint_are_equal(auditor):
    signed_log(3)
    assert exported(auditor, "tiles")[0] == exported(auditor, "tiles")[0]


def test_an_archive_keeps_what_ccverify_needs_of_it(transactional_db, tmp_path):
    # In separate threads, so that the numbers of each writer begin with 1, even if other tests have emptied
    # tables.
    auditor = in_thread(partial(make_persona, "anna", "auditor"))
    in_thread(partial(signed_log, 300))
    content, reported = exported(auditor, "tiles")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(tmp_path, filter="data")
    pinned = [part for vkey in reported["vkeys"] for part in ("--key", vkey)]
    done = run("verify-export", tmp_path / "audit-log", *pinned)
    assert done.returncode == 0, done.stdout + done.stderr


def test_before_the_first_checkpoint_there_are_no_tiles(auditor):
    export_id = order(auditor, "tiles")
    work()
    reported = look(auditor, export_id)
    assert (reported["status"], reported["error_code"]) == ("failed", "conflict")
    assert files.FOLDER.names() == []


def test_a_running_export_of_tiles_stops_and_leaves_nothing(auditor):
    signed_log(3_000)
    export_id = order(auditor, "tiles")

    def cancel():
        auditor.api.post(f"{EXPORTS}/{export_id}/cancel")
        assert len(files.FOLDER.names()) >= 2  # the file, and the folder that becomes its content
        task.delete_expired_results()  # deletes none of them
        assert len(files.FOLDER.names()) >= 2

    with meanwhile(cancel, at_call=1, until=lambda progress: progress._is_cancelled):
        work()
    assert look(auditor, export_id)["status"] == "cancelled"
    assert files.FOLDER.names() == []


@pytest.mark.parametrize("export_format", ["jsonl", "csv"])
def test_altered_entries_are_marked_counted_and_raise_their_alarms_once(auditor, export_format):
    write(3)
    sequence_all()
    last = write()
    altered("UPDATE audit_logs SET count = %s WHERE id = %s", 2**60, last.id)  # has no canonical form
    altered("UPDATE audit_logs SET code = 'x' WHERE id = %s", last.id - 1)
    for _ in range(2):
        content, reported = exported(auditor, export_format, action="test.thing.done")
        assert (reported["status"], reported["rows"], reported["altered"]) == ("succeeded", 4, 2)
        text = content.decode()
        rows = (
            csv.DictReader(io.StringIO(text))
            if export_format == "csv"
            else map(json.loads, text.splitlines())
        )
        found = [(int(row["count"]), row["integrity"]) for row in rows]
        assert found == [(1, "verified"), (1, "verified"), (1, "altered"), (2**60, "altered")]
        assert json.loads(on_record(actions.EXPORT_FINISHED)[-1].meta)["altered"] == 2
        assert [code for code, _ in alarms()] == ["entry_altered"] * 2


def test_the_page_of_an_export_shows_how_many_entries_were_altered(auditor):
    altered("UPDATE audit_logs SET code = 'x' WHERE id = %s", write().id)
    _, reported = exported(auditor, action="test.thing.done")
    browser = signed_in(auditor)
    for path in ("/jobs/", f"/jobs/{reported['id']}/", "/audit/exports/"):
        assert "Done, 1 altered entry" in text_of(browser.get(path))


def test_an_export_of_nothing_is_an_empty_file(auditor):
    content, reported = exported(auditor, object="of no entry")
    assert (content, reported["rows"], reported["size"]) == (b"", 0, 0)
    assert reported["sha256"] == hashlib.sha256(b"").hexdigest()


def test_an_export_names_the_newest_checkpoint_and_the_keys_that_verify_it(auditor):
    bootstrap_checkpoint_keys()
    write(3)
    sequence_all()
    checkpoint = sign_checkpoint()
    _, reported = exported(auditor)

    size, root = checkpoint.note.split("\n")[1:3]
    assert reported["checkpoint"] == {"size": int(size), "root": root}
    assert reported["vkeys"] == [key.vkey for key in trusted_keys()]


def test_before_the_first_checkpoint_an_export_names_none(auditor):
    assert exported(auditor)[1]["checkpoint"] is None


# --- one moment


def test_entries_that_come_while_it_is_written_are_left_out(auditor, monkeypatch):
    monkeypatch.setattr(task, "BATCH", 10)
    write_many(50)
    export_id = order(auditor)
    last = log_rows().latest("id").id
    with meanwhile(lambda: write(20), at_call=3):
        work()

    reported = look(auditor, export_id)
    assert max(ids(fetch(auditor, export_id).raw.content)) == last
    assert reported["rows"] == reported["total"] == log_rows().filter(id__lte=last).count()


def test_writers_do_not_wait_for_an_export(auditor, monkeypatch):
    """On SQLite a transaction that may write would block all other writers until it ends."""
    monkeypatch.setattr(task, "BATCH", 10)
    write_many(30)
    export_id = order(auditor)
    waited = []
    with meanwhile(lambda: waited.append(seconds_to(partial(write, 1))), at_call=2):
        work()
    assert look(auditor, export_id)["status"] == "succeeded"
    assert waited[0] < 15  # SQLite gives up after 20


def test_a_snapshot_shows_one_moment(transactional_db):
    write(1)
    catch_up()
    with one_snapshot():
        before = AuditLog.objects.count()
        in_thread(lambda: write(1))
        assert AuditLog.objects.count() == before
    assert log_rows().count() == before + 1


def test_a_snapshot_does_not_begin_inside_a_transaction(transactional_db):
    with pytest.raises(transaction.TransactionManagementError), transaction.atomic(), one_snapshot():
        pass
