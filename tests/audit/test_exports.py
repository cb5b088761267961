"""Exports: the file is exactly the entries that were asked for, as of one moment, and whoever may not have it has not."""

import base64
import csv
import hashlib
import io
import json
import shutil
import stat
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connections, transaction

from accounts.principals import Principal
from accounts.services import disable_user
from audit import actions, entries, export_files, exports, merkle, services
from audit.errors import StaleDecision
from audit.events import Actor, Event, Source
from audit.export_formats import csv_line, guarded
from audit.exporting import export_log
from audit.models import AuditExport, AuditLog
from audit.selection import LogCriteria
from audit.sequencing.checkpoint_keys import establish_checkpoint_keys, trusted_keys
from audit.sequencing.checkpointing import sign_checkpoint
from audit.snapshot import one_snapshot
from ciphercanary import jobs
from ciphercanary.clock import database_now
from ciphercanary.errors import Denied, NotFound
from ciphercanary.jobs import Status, leases, registry, running
from tests.audit.sequencing.log import altered, sequence_all, write, write_many
from tests.personas import ApiClient, make_persona
from tests.product import ROOT

EXPORTS = "/api/v1/audit/exports"
LONG = 30_000  # entries
MEBIBYTE = 2**20

pytestmark = pytest.mark.django_db(transaction=True)


def order(persona, export_format="jsonl", **filters):
    answer = persona.api.post(EXPORTS, {"format": export_format, **filters})
    assert answer.status == 202, answer.response.content
    return answer.json["id"]


def work():
    """As a worker does: whatever is due, until nothing is."""
    while running.run_next(lambda: False):
        pass


def look(persona, export_id):
    return persona.api.get(f"{EXPORTS}/{export_id}").json


def fetch(persona, export_id):
    return persona.api.get(f"{EXPORTS}/{export_id}/result")


def exported(persona, export_format="jsonl", **filters):
    """The bytes of an export of entries; what the API says of it."""
    export_id = order(persona, export_format, **filters)
    work()
    answer = fetch(persona, export_id)
    assert answer.status == 200, answer.response.content
    return answer.response.content, look(persona, export_id)


def ids(content):
    return [json.loads(line)["id"] for line in content.splitlines()]


@contextmanager
def meanwhile(do, at_call, *, until=lambda progress: True):
    """Another thread does something when the task tells its progress for the n-th time, and the task waits for it.

    Then it waits, but not for ever, ``until`` something is so.
    """
    calls = count(1)

    def run(export, progress):
        def tell(done, total=None):
            progress(done, total)
            if next(calls) == at_call:
                in_thread(do)
                end = time.monotonic() + 60
                while not until(progress) and time.monotonic() < end:
                    time.sleep(0.05)

        return exports.run(export, tell)

    jobs.register(exports.KIND, AuditExport, run, exports.ended)
    try:
        yield
    finally:
        jobs.register(exports.KIND, AuditExport, exports.run, exports.ended)


def in_thread(function):
    """With connections of its own."""

    def call():
        try:
            return function()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def seconds_to(function):
    began = time.monotonic()
    function()
    return time.monotonic() - began


def on_record(action):
    return list(AuditLog.objects.filter(action=action).order_by("id"))


# --- what is in the file


def test_each_line_is_an_entry_in_the_bytes_that_are_hashed(auditor):
    write(3, Event(action="test.thing.done", object_id="the-object", meta={"é": "\u2028 \U0001f600"}))
    content, told = exported(auditor, object="the-object")

    rows = AuditLog.objects.filter(object_id="the-object").order_by("id").values()
    assert content == b"".join(entries.entry_bytes(row) + b"\n" for row in rows)
    assert (told["rows"], told["size"]) == (3, len(content))
    assert told["sha256"] == hashlib.sha256(content).hexdigest()


def test_an_export_without_filters_is_the_whole_log(auditor):
    write(5)
    content, told = exported(auditor)

    last = AuditLog.objects.get(action=actions.EXPORT_REQUESTED).id  # what followed was after the snapshot
    expected = list(AuditLog.objects.filter(id__lte=last).order_by("id").values_list("id", flat=True))
    assert ids(content) == expected
    assert told["rows"] == told["total"] == told["done"] == len(expected)


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
    content, told = exported(auditor, **filters)

    query = "&".join(f"{name}={value}" for name, value in filters.items())
    last = AuditLog.objects.get(action=actions.EXPORT_REQUESTED).id
    listed = auditor.api.get(f"/api/v1/audit/logs?limit=100&{query}").json["results"]
    assert ids(content) == sorted(entry["id"] for entry in listed if entry["id"] <= last)
    assert set(told["filters"]) == set(filters)


def test_csv_has_a_header_and_the_same_columns(auditor):
    write(2, Event(action="test.thing.done", object_id='a "quoted", id\r\n', meta={"reason": "x"}))
    content, told = exported(auditor, "csv", action="test.thing.done")

    header, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
    assert header == list(entries.ENTRY_FIELDS)
    stored = AuditLog.objects.filter(action="test.thing.done").order_by("id")
    assert [dict(zip(header, row, strict=True)) for row in rows] == [as_texts(entry) for entry in stored]
    assert told["rows"] == 2
    assert content.count(b"\r\n") == 1 + 2 + 2  # header, rows, and one inside each object id


def as_texts(entry):
    columns = json.loads(entries.entry_bytes(entries.values_of(entry, entries.ENTRY_FIELDS)))
    return {name: "" if columns[name] is None else str(columns[name]) for name in entries.ENTRY_FIELDS}


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
def test_nor_does_one_for_a_spreadsheet_that_separates_otherwise(separator, text):
    line = csv_line(dict.fromkeys(entries.ENTRY_FIELDS, text)).decode()
    cells = next(csv.reader([line], delimiter=separator))
    assert not [cell for cell in cells if cell.lstrip('"').startswith(("=", "@"))]


@pytest.mark.parametrize("text", ["", "plain", "a=b", "1-2", "'", " =1", '"quoted"'])
def test_a_harmless_cell_stays_as_it_is(text):
    assert guarded(text) == text


def test_every_column_of_text_is_guarded():
    row = dict.fromkeys(entries.ENTRY_FIELDS, "=x")
    assert csv_line(row) == b",".join([b"'=x"] * len(entries.ENTRY_FIELDS)) + b"\r\n"


def test_tiles_are_the_folder_that_the_command_writes_as_one_file(auditor, tmp_path):
    signed_log(600)
    content, told = exported(auditor, "tiles")
    export_log(tmp_path / "log")

    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = {member.name: archive.extractfile(member).read() for member in archive.getmembers()}
    files = [path for path in (tmp_path / "log").rglob("*") if path.is_file()]
    assert members == {f"audit-log/{path.relative_to(tmp_path / 'log')}": path.read_bytes() for path in files}
    size, root = members["audit-log/checkpoint"].decode().split("\n")[1:3]
    assert told["checkpoint"] == {"size": int(size), "root": root}
    assert told["rows"] == told["done"] == told["total"] == int(size) > 600
    assert told["vkeys"] == members["audit-log/keys"].decode().splitlines()
    assert told["sha256"] == hashlib.sha256(content).hexdigest()


def test_two_archives_of_one_checkpoint_are_equal(auditor):
    signed_log(3)
    assert exported(auditor, "tiles")[0] == exported(auditor, "tiles")[0]


def test_an_archive_keeps_what_ccverify_needs_of_it(transactional_db, tmp_path):
    # In threads of their own: the numbers of each writer begin with 1 there, whatever tests have emptied.
    auditor = in_thread(partial(make_persona, "anna", "auditor"))
    in_thread(partial(signed_log, 300))
    content, told = exported(auditor, "tiles")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(tmp_path, filter="data")
    command = [sys.executable, ROOT / "bin" / "ccverify", "verify-export", tmp_path / "audit-log"]
    pinned = [part for vkey in told["vkeys"] for part in ("--key", vkey)]
    done = subprocess.run([*command, *pinned], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_before_the_first_checkpoint_there_are_no_tiles(auditor):
    export_id = order(auditor, "tiles")
    work()
    told = look(auditor, export_id)
    assert (told["status"], told["error_code"]) == ("failed", "conflict")
    assert export_files.names() == []


def test_a_running_export_of_tiles_stops_and_leaves_nothing(auditor):
    signed_log(3_000)
    export_id = order(auditor, "tiles")

    def cancel():
        auditor.api.post(f"{EXPORTS}/{export_id}/cancel")
        assert len(export_files.names()) >= 2  # the file, and the folder that goes into it
        exports.delete_expired_results()  # takes nothing of it away
        assert len(export_files.names()) >= 2

    with meanwhile(cancel, at_call=1, until=lambda progress: progress._is_cancelled):
        work()
    assert look(auditor, export_id)["status"] == "cancelled"
    assert export_files.names() == []


def test_an_altered_entry_fails_the_export_with_a_code(auditor):
    write(3)
    altered("UPDATE audit_logs SET count = %s WHERE id = (SELECT max(id) FROM audit_logs)", 2**60)
    export_id = order(auditor)
    for _ in range(leases.MAX_ATTEMPTS):
        AuditExport.objects.update(due_at=database_now())
        work()
    told = look(auditor, export_id)
    assert (told["status"], told["error_code"]) == ("failed", "integrity_failed")


def signed_log(number):
    establish_checkpoint_keys()
    write_many(number)
    sequence_all()
    return sign_checkpoint()


def test_an_export_of_nothing_is_an_empty_file(auditor):
    content, told = exported(auditor, object="of no entry")
    assert (content, told["rows"], told["size"]) == (b"", 0, 0)
    assert told["sha256"] == hashlib.sha256(b"").hexdigest()


def test_an_export_names_the_newest_checkpoint_and_the_keys_that_verify_it(auditor):
    establish_checkpoint_keys()
    write(3)
    sequence_all()
    checkpoint = sign_checkpoint()
    _, told = exported(auditor)

    size, root = checkpoint.note.split("\n")[1:3]
    assert told["checkpoint"] == {"size": int(size), "root": root}
    assert told["vkeys"] == [key.vkey for key in trusted_keys()]


def test_before_the_first_checkpoint_an_export_names_none(auditor):
    assert exported(auditor)[1]["checkpoint"] is None


# --- one moment


def test_entries_that_come_while_it_is_written_are_left_out(auditor, monkeypatch):
    monkeypatch.setattr(exports, "BATCH", 10)
    write_many(50)
    export_id = order(auditor)
    last = AuditLog.objects.latest("id").id
    with meanwhile(lambda: write(20), at_call=3):
        work()

    told = look(auditor, export_id)
    assert max(ids(fetch(auditor, export_id).response.content)) == last
    assert told["rows"] == told["total"] == AuditLog.objects.filter(id__lte=last).count()


def test_writers_do_not_wait_for_an_export(auditor, monkeypatch):
    """On SQLite a transaction that may write would keep everybody waiting for its whole length."""
    monkeypatch.setattr(exports, "BATCH", 10)
    write_many(30)
    export_id = order(auditor)
    waited = []
    with meanwhile(lambda: waited.append(seconds_to(partial(write, 1))), at_call=2):
        work()
    assert look(auditor, export_id)["status"] == "succeeded"
    assert waited[0] < 15  # SQLite gives up after 20


def test_a_snapshot_shows_one_moment(transactional_db):
    write(1)
    with one_snapshot():
        before = AuditLog.objects.count()
        in_thread(lambda: write(1))
        assert AuditLog.objects.count() == before
    assert AuditLog.objects.count() == before + 1


def test_a_snapshot_does_not_begin_inside_a_transaction(transactional_db):
    with pytest.raises(transaction.TransactionManagementError), transaction.atomic(), one_snapshot():
        pass


# --- how it ends


def test_an_export_is_ordered_done_and_fetched(auditor):
    write(3)
    answer = auditor.api.post(EXPORTS, {"format": "jsonl", "action": "test.thing.done"})
    assert answer.status == 202
    assert answer.headers["Location"] == f"{EXPORTS}/{answer.json['id']}"
    ordered = auditor.api.get(answer.headers["Location"]).json
    assert ordered == answer.json
    assert (ordered["status"], ordered["created_by_name"]) == ("pending", "aude")
    assert (ordered["done"], ordered["total"], ordered["rows"], ordered["sha256"]) == (0, None, None, "")
    work()

    told = look(auditor, ordered["id"])
    assert (told["status"], told["done"], told["total"], told["rows"]) == ("succeeded", 3, 3, 3)
    assert told["expires_at"] > told["finished_at"] >= told["started_at"] >= told["created_at"]
    result = fetch(auditor, ordered["id"])
    digest = base64.b64encode(bytes.fromhex(told["sha256"])).decode()
    assert result.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert result.headers["Content-Type"] == "application/jsonl"
    assert result.headers["Content-Length"] == str(told["size"]) == str(len(result.response.content))
    name = f"audit-log-{ordered['id']}.jsonl"
    assert result.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert result.headers["Cache-Control"] == "no-store"
    assert auditor.api.get(EXPORTS).json["results"] == [told]


def test_the_file_is_of_its_type_whatever_is_accepted(auditor):
    export_id = order(auditor, "csv")
    work()
    answer = auditor.api.get(f"{EXPORTS}/{export_id}/result", Accept="text/csv")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8; header=present")


def test_asking_finishing_and_each_download_are_on_record(auditor):
    export_id = order(auditor, object="of no entry")
    work()
    told = look(auditor, export_id)
    for _ in range(2):
        fetch(auditor, export_id)
    auditor.api.send("HEAD", f"{EXPORTS}/{export_id}/result", None)  # nothing leaves

    [requested], [finished] = on_record(actions.EXPORT_REQUESTED), on_record(actions.EXPORT_FINISHED)
    downloaded = on_record(actions.EXPORT_DOWNLOADED)
    assert len(downloaded) == 2
    for entry in (requested, finished, *downloaded):
        assert (entry.object_type, entry.object_id) == ("audit_export", export_id)
        assert (entry.user_id, entry.outcome) == (auditor.user.id, "ok")
    assert json.loads(requested.meta) == {"format": "jsonl", "filters": {"object": "of no entry"}}
    assert (requested.source, finished.source) == ("api", "scheduler")
    assert finished.request_id == requested.request_id
    assert json.loads(finished.meta)["sha256"] == told["sha256"]
    assert json.loads(downloaded[0].meta) == {"sha256": told["sha256"]}


def test_files_and_their_folder_are_their_owners_alone(auditor, home):
    order(auditor)
    work()
    folder = home / "exports"
    [file] = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_before_it_is_finished_there_is_no_result(auditor):
    export_id = order(auditor)
    answer = fetch(auditor, export_id)
    assert (answer.status, answer.code, answer.json["export_status"]) == (409, "no_result", "pending")
    leases.claim(registry.find_task(exports.KIND), export_id)
    assert fetch(auditor, export_id).json["export_status"] == "running"


def test_a_pending_export_is_cancelled_at_once(auditor, admin):
    export_id = order(auditor)
    answer = admin.api.post(f"{EXPORTS}/{export_id}/cancel")
    assert (answer.status, answer.json["status"]) == (200, "cancelled")
    work()
    assert fetch(auditor, export_id).json["export_status"] == "cancelled"
    [entry] = on_record(actions.EXPORT_CANCELLED)
    assert entry.user_id == admin.user.id  # who cancelled, not who asked


def test_a_running_export_stops_and_leaves_nothing(auditor, monkeypatch):
    monkeypatch.setattr(exports, "BATCH", 10)
    write_many(50)
    export_id = order(auditor)

    def cancel():
        assert auditor.api.post(f"{EXPORTS}/{export_id}/cancel").status == 200
        assert export_files.names() != []

    with meanwhile(cancel, at_call=2, until=lambda progress: progress._is_cancelled):
        work()
    told = look(auditor, export_id)
    assert told["status"] == "cancelled"
    assert told["done"] < told["total"]
    assert export_files.names() == []
    assert auditor.api.post(f"{EXPORTS}/{export_id}/cancel").code == "conflict"


def test_what_has_ended_is_not_cancelled(auditor):
    export_id = order(auditor)
    work()
    assert auditor.api.post(f"{EXPORTS}/{export_id}/cancel").code == "conflict"
    assert [entry.outcome for entry in on_record(actions.EXPORT_CANCELLED)] == ["denied"]
    assert fetch(auditor, export_id).status == 200


def test_a_result_is_gone_when_its_time_is_over(auditor, settings):
    settings.CC_EXPORT_HOURS = 1
    kept, expired = order(auditor), order(auditor)
    work()
    left = AuditExport.objects.get(id=expired).expires_at - database_now()
    assert timedelta(minutes=59) < left <= timedelta(minutes=60)
    AuditExport.objects.filter(id=expired).update(expires_at=database_now())

    answer = fetch(auditor, expired)
    assert (answer.status, answer.code) == (404, "result_gone")
    exports.delete_expired_results()
    assert [name.partition(".")[0] for name in export_files.names()] == [kept]
    assert fetch(auditor, kept).status == 200
    assert look(auditor, expired)["rows"] is not None  # what it was stays known


def test_a_file_that_was_taken_away_is_gone_and_not_on_record_as_fetched(auditor):
    export_id = order(auditor)
    work()
    export_files.remove(export_files.names())
    assert fetch(auditor, export_id).code == "result_gone"
    assert [entry.outcome for entry in on_record(actions.EXPORT_DOWNLOADED)] == ["denied"]


def test_leftovers_go_and_what_is_being_written_stays(auditor, home):
    running_id, done_id = order(auditor), order(auditor)
    folder = home / "exports"
    folder.mkdir(exist_ok=True)
    leases.claim(registry.find_task(exports.KIND), running_id)
    work()
    [result] = export_files.names()
    leftovers = [f"{done_id}.{'1' * 16}.jsonl", f"{done_id}.{'1' * 16}.jsonl.unfinished", f"{uuid4()}.x", "x"]
    busy = f"{running_id}.{'2' * 16}.jsonl.unfinished"
    for name in (*leftovers, busy):
        (folder / name).write_bytes(b"half")
    (folder / f"{done_id}.{'1' * 16}.tar.folder.unfinished" / "tile").mkdir(parents=True)
    exports.delete_expired_results()
    assert sorted(export_files.names()) == sorted([result, busy])


def test_without_the_folder_there_is_nothing_to_delete(db):
    exports.delete_expired_results()


def test_a_folder_that_takes_no_file_fails_the_export_with_a_code(auditor, home):
    export_id = order(auditor)
    shutil.rmtree(home / "exports", ignore_errors=True)
    (home / "exports").write_text("no folder")
    try:
        for _ in range(leases.MAX_ATTEMPTS):
            AuditExport.objects.update(due_at=database_now())
            work()
    finally:
        (home / "exports").unlink()
    told = look(auditor, export_id)
    assert (told["status"], told["error_code"]) == ("failed", "export_not_written")
    [entry] = on_record(actions.EXPORT_FAILED)
    assert (entry.outcome, entry.code, entry.user_id) == ("error", "export_not_written", auditor.user.id)
    assert fetch(auditor, export_id).json["export_status"] == "failed"


def test_an_altered_checkpoint_is_not_passed_on(auditor):
    establish_checkpoint_keys()
    write(1)
    sequence_all()
    note = sign_checkpoint().note
    root = note.split("\n")[2]
    another = base64.b64encode(bytes(32)).decode()
    altered("UPDATE audit_checkpoints SET note = %s", note.replace(root, another))
    export_id = order(auditor)
    work()
    assert AuditExport.objects.get(id=export_id).status == Status.PENDING  # it is tried again
    assert not [name for name in export_files.names() if name.startswith(str(export_id))]


# --- workers that die, and workers that were only slow


def test_the_next_worker_begins_anew_and_only_its_file_counts(auditor, monkeypatch):
    """The first is so slow that it loses the job, and ends after the second: its file is a leftover."""
    monkeypatch.setattr(exports, "BATCH", 10)
    write_many(30)
    export_id = order(auditor)

    def another_takes_over():
        write_many(5)
        job, end = None, time.monotonic() + 60
        while job is None:  # its keeper may renew the lease at any moment
            assert time.monotonic() < end
            AuditExport.objects.update(lease_until=database_now() - timedelta(seconds=1))
            job = leases.claim(registry.find_task(exports.KIND), export_id)
        leases.end(job, Status.SUCCEEDED, exports.run(job, lambda *_: None))

    with meanwhile(another_takes_over, at_call=2):
        work()
    told = look(auditor, export_id)
    content = fetch(auditor, export_id).response.content
    assert told["sha256"] == hashlib.sha256(content).hexdigest()
    assert told["rows"] == len(ids(content))
    exports.delete_expired_results()
    assert len(export_files.names()) == 1
    assert fetch(auditor, export_id).response.content == content


# --- who may


def test_operators_and_developers_export_nothing(operator, developer):
    for persona in (operator, developer):
        for answer in (
            persona.api.post(EXPORTS, {"format": "jsonl"}),
            persona.api.get(EXPORTS),
            persona.api.get(f"{EXPORTS}/{uuid4()}"),
            persona.api.get(f"{EXPORTS}/{uuid4()}/result"),
            persona.api.post(f"{EXPORTS}/{uuid4()}/cancel"),
        ):
            assert (answer.status, answer.code) == (403, "permission_denied")
    assert not AuditExport.objects.exists()


def test_a_stranger_is_not_let_in(auditor):
    export_id = order(auditor)
    for path in (EXPORTS, f"{EXPORTS}/{export_id}", f"{EXPORTS}/{export_id}/result"):
        assert ApiClient().get(path).status == 401


def test_an_export_of_somebody_else_does_not_exist_for_whoever_sees_his_own_only(developer, stranger):
    """No role is like this today; the scope decides, not the role's name."""
    mine = with_export_permission(developer)
    theirs = services.request_export(
        principal=with_export_permission(stranger), export_format="jsonl", criteria=LogCriteria()
    )
    own = services.request_export(principal=mine, export_format="jsonl", criteria=LogCriteria())
    assert list(services.find_exports(principal=mine)) == [own]
    for act in (services.find_export, services.cancel_export, services.find_result):
        with pytest.raises(NotFound):
            act(principal=mine, export_id=theirs.id)


def test_whoever_reads_his_own_acts_only_exports_no_others(developer, stranger):
    principal = with_export_permission(developer)
    write(2, actor=developer.principal.actor)
    write(2, actor=stranger.principal.actor)
    write(2)
    export = services.request_export(principal=principal, export_format="jsonl", criteria=LogCriteria())
    work()
    result = services.find_result(principal=principal, export_id=export.id)
    users = {json.loads(line)["user_id"] for line in result.path.read_bytes().splitlines()}
    assert users == {str(developer.user.id)}
    with pytest.raises(Denied, match="whole log"):
        services.request_export(principal=principal, export_format="tiles", criteria=LogCriteria())


def with_export_permission(persona):
    return replace(persona.principal, permissions=persona.principal.permissions | {"audit.export"})


def test_whoever_may_not_read_the_log_does_not_export_it(auditor):
    blind = replace(auditor.principal, permissions=frozenset({"audit.export"}))
    with pytest.raises(Denied, match=r"audit\.read"):
        services.request_export(principal=blind, export_format="jsonl", criteria=LogCriteria())


def test_an_export_needs_a_recent_log_in(auditor):
    old = replace(auditor.principal, auth_time=database_now() - timedelta(minutes=11))
    with pytest.raises(Denied, match="10 minutes"):
        services.request_export(principal=old, export_format="jsonl", criteria=LogCriteria())
    system = Principal.system("tests", Source.COMMAND)
    assert services.request_export(principal=system, export_format="jsonl", criteria=LogCriteria())


def test_one_person_has_twenty_exports_at_most(auditor, admin):
    first = order(auditor)
    for _ in range(19):
        order(auditor)
    answer = auditor.api.post(EXPORTS, {"format": "jsonl"})
    assert (answer.status, answer.code) == (422, "too_many_exports")
    order(admin)
    auditor.api.post(f"{EXPORTS}/{first}/cancel")
    order(auditor)


def test_finished_exports_count_while_their_file_is_kept(auditor):
    for _ in range(20):
        order(auditor, object="of no entry")
    work()
    assert auditor.api.post(EXPORTS, {"format": "jsonl"}).code == "too_many_exports"
    AuditExport.objects.update(expires_at=database_now())
    order(auditor)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "format"),
        ({"format": "xml"}, "format"),
        ({"format": "jsonl", "limit": 10}, "limit"),
        ({"format": "jsonl", "before": 10}, "before"),
        ({"format": "jsonl", "outcome": "perhaps"}, "outcome"),
        ({"format": "jsonl", "from": "yesterday"}, "from"),
        ({"format": "jsonl", "from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "to"),
        ({"format": "tiles", "action": "test.thing.done"}, "action"),
        ({"format": "tiles", "from": "2026-02-01T00:00:00Z"}, "from"),
    ],
)
def test_a_bad_order_is_refused_naming_the_field(auditor, body, field):
    answer = auditor.api.post(EXPORTS, body)
    assert (answer.status, list(answer.json["errors"])) == (400, [field])
    assert not AuditExport.objects.exists()


def test_whoever_writes_the_database_does_not_choose_the_file(auditor, home):
    """The name of the file comes from the row, and the key-encryption key lies in the same data folder."""
    export_id = order(auditor)
    work()
    for attempt in ("../../kek-1", "..%2f", "x" * 16, "0" * 15, "ABCDEF0123456789"):
        AuditExport.objects.update(attempt=attempt)
        answer = fetch(auditor, export_id)
        assert (answer.status, answer.code) == (503, "integrity_failed")


# --- long logs, and the product as it runs


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells the peak")
def test_memory_does_not_grow_with_the_log(auditor):
    for _ in range(LONG // 5_000):
        write_many(5_000, event=Event(action="test.thing.done", meta={"reason": "x" * 1_000}))
    # What is loaded once is loaded by a small one: memory that a large one had freed would be used again.
    exports.run(AuditExport.objects.get(id=order(auditor, object="of no entry")), lambda *_: None)
    job = AuditExport.objects.get(id=order(auditor))
    before = forget_peak()
    columns = exports.run(job, lambda *_: None)
    assert columns["rows"] > LONG
    assert columns["size"] > LONG * 1_000
    assert peak() - before < 40 * MEBIBYTE


def forget_peak():
    """The memory of this process now, in bytes; its peak counts from here (proc_pid_clear_refs(5))."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def peak():
    return memory("VmHWM")


def memory(name):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("export_format", ["jsonl", "csv"])
def test_through_the_running_product_the_file_is_the_log(product, export_format):
    token = product.token()
    assert product.manage("checkpoint_audit_log").returncode == 0
    body = {"format": export_format, "action": "accounts.session.opened"}
    ordered = product.send("POST", EXPORTS, body, token=token)
    assert ordered.status == 202
    told = wait_for_end(product, ordered.headers["Location"], token)
    assert told["status"] == "succeeded"
    result = product.send("GET", f"{ordered.headers['Location']}/result", token=token)

    digest = hashlib.sha256(result.content).digest()
    assert told["sha256"] == digest.hex()
    assert result.headers["Repr-Digest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"
    listed = product.send("GET", f"/api/v1/audit/logs?limit=100&action={body['action']}", token=token).json
    expected = sorted(entry["id"] for entry in listed["results"])
    if export_format == "jsonl":
        assert ids(result.content) == expected
        # Whoever has a line can find it in the tree.
        leaves = {bytes(leaf) for (leaf,) in product.query("SELECT leaf_hash FROM audit_leaves")}
        assert {merkle.leaf_hash(line) for line in result.content.splitlines()} <= leaves
        assert told["checkpoint"]["size"] > 0
    else:
        _, *rows = csv.reader(io.StringIO(result.content.decode(), newline=""))
        assert [int(row[0]) for row in rows] == expected
    assert told["rows"] == len(expected)


def wait_for_end(product, path, token):
    deadline = time.monotonic() + 30
    while not (told := product.send("GET", path, token=token).json)["finished_at"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return told


def test_rights_that_have_ended_order_cancel_and_fetch_nothing(auditor):
    """Whoever was authenticated a moment before his account was disabled is a moment late."""
    finished = order(auditor)
    work()
    waiting = order(auditor)
    result = services.find_result(principal=auditor.principal, export_id=finished)
    disable_user(principal=Principal.system("test", Source.COMMAND), user_id=auditor.user.id)
    late = {"principal": auditor.principal}

    with pytest.raises(StaleDecision):
        services.request_export(**late, export_format="jsonl", criteria=LogCriteria())
    with pytest.raises(StaleDecision):
        services.cancel_export(**late, export_id=waiting)
    with pytest.raises(StaleDecision):
        services.open_result(**late, result=result)
    assert not AuditLog.objects.filter(action=actions.EXPORT_DOWNLOADED).exists()
