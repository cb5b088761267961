"""The ends of an export: done, cancelled, failed, restarted by another worker, or expired."""

import base64
import hashlib
import json
import shutil
import stat
import time
from datetime import timedelta
from uuid import uuid4

import pytest

from audit import actions
from audit.exports import files, task
from audit.models import AuditExport
from audit.sequencing.checkpoints.signing import sign_checkpoint
from audit.sequencing.checkpoints.signing_keys import bootstrap_checkpoint_keys
from kernel.clock import database_now
from kernel.jobs import leases, registry
from kernel.jobs.job import Status
from tests.audit.exports.exporting import EXPORTS, fetch, ids, look, meanwhile, on_record, order, work
from tests.audit.sequencing.log import altered, sequence_all, write, write_many

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_export_is_ordered_done_and_fetched(auditor):
    write(3)
    response = auditor.api.post(EXPORTS, {"format": "jsonl", "action": "test.thing.done"})
    assert response.status == 202
    assert response.headers["Location"] == f"{EXPORTS}/{response.json['id']}"
    ordered = auditor.api.get(response.headers["Location"]).json
    assert ordered == response.json
    assert (ordered["status"], ordered["created_by_name"]) == ("pending", "aude")
    assert (ordered["done"], ordered["total"], ordered["rows"], ordered["sha256"]) == (0, None, None, "")
    work()

    reported = look(auditor, ordered["id"])
    assert (reported["status"], reported["done"], reported["total"], reported["rows"]) == (
        "succeeded",
        3,
        3,
        3,
    )
    assert (
        reported["expires_at"] > reported["finished_at"] >= reported["started_at"] >= reported["created_at"]
    )
    result = fetch(auditor, ordered["id"])
    digest = base64.b64encode(bytes.fromhex(reported["sha256"])).decode()
    assert result.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert result.headers["Content-Type"] == "application/jsonl"
    assert result.headers["Content-Length"] == str(reported["size"]) == str(len(result.raw.content))
    name = f"audit-log-{ordered['id']}.jsonl"
    assert result.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert result.headers["Cache-Control"] == "no-store"
    assert auditor.api.get(EXPORTS).json["results"] == [reported]


def test_the_file_has_its_own_content_type_with_any_accept_header(auditor):
    export_id = order(auditor, "csv")
    work()
    response = auditor.api.get(f"{EXPORTS}/{export_id}/result", Accept="text/csv")
    assert (response.status, response.headers["Content-Type"]) == (
        200,
        "text/csv; charset=utf-8; header=present",
    )


def test_the_log_records_the_request_the_end_and_each_download(auditor):
    export_id = order(auditor, object="of no entry")
    work()
    reported = look(auditor, export_id)
    for _ in range(2):
        fetch(auditor, export_id)
    auditor.api.send("HEAD", f"{EXPORTS}/{export_id}/result", None)  # no content is sent

    [requested], [finished] = on_record(actions.EXPORT_REQUESTED), on_record(actions.EXPORT_FINISHED)
    downloaded = on_record(actions.EXPORT_DOWNLOADED)
    assert len(downloaded) == 2
    for entry in (requested, finished, *downloaded):
        assert (entry.object_type, entry.object_id) == ("audit_export", export_id)
        assert (entry.user_id, entry.outcome) == (auditor.user.id, "ok")
    assert json.loads(requested.meta) == {"format": "jsonl", "filters": {"object": "of no entry"}}
    assert (requested.source, finished.source) == ("api", "scheduler")
    assert finished.request_id == requested.request_id
    assert json.loads(finished.meta)["sha256"] == reported["sha256"]
    assert json.loads(downloaded[0].meta) == {"sha256": reported["sha256"]}


def test_files_and_their_folder_are_their_owners_alone(auditor, home):
    order(auditor)
    work()
    folder = home / "exports"
    [file] = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_before_it_is_finished_there_is_no_result(auditor):
    export_id = order(auditor)
    response = fetch(auditor, export_id)
    assert (response.status, response.code, response.json["job_status"]) == (409, "no_result", "pending")
    leases.claim(registry.find_task(task.KIND), export_id)
    assert fetch(auditor, export_id).json["job_status"] == "running"


def test_a_pending_export_is_cancelled_at_once(auditor, admin):
    export_id = order(auditor)
    response = admin.api.post(f"{EXPORTS}/{export_id}/cancel")
    assert (response.status, response.json["status"]) == (200, "cancelled")
    work()
    assert fetch(auditor, export_id).json["job_status"] == "cancelled"
    [entry] = on_record(actions.EXPORT_CANCELLED)
    assert entry.user_id == admin.user.id  # the user who cancelled, not the one who requested it


def test_the_sweep_leaves_the_folder_of_a_volume_s_file_system(settings):
    needed = settings.CC_HOME / "exports" / "lost+found"
    needed.mkdir(parents=True)
    leftover = needed.with_name("leftover.unfinished")
    leftover.touch()
    task.delete_expired_results()
    assert (needed.exists(), leftover.exists()) == (True, False)
    needed.rmdir()


def test_a_running_export_stops_and_leaves_nothing(auditor, monkeypatch):
    monkeypatch.setattr(task, "BATCH", 10)
    write_many(50)
    export_id = order(auditor)

    def cancel():
        assert auditor.api.post(f"{EXPORTS}/{export_id}/cancel").status == 200
        assert files.FOLDER.names() != []

    with meanwhile(cancel, at_call=2, until=lambda progress: progress._is_cancelled):
        work()
    reported = look(auditor, export_id)
    assert reported["status"] == "cancelled"
    assert reported["done"] < reported["total"]
    assert files.FOLDER.names() == []
    assert auditor.api.post(f"{EXPORTS}/{export_id}/cancel").code == "conflict"


def test_an_ended_export_is_not_cancelled(auditor):
    export_id = order(auditor)
    work()
    assert auditor.api.post(f"{EXPORTS}/{export_id}/cancel").code == "conflict"
    assert [entry.outcome for entry in on_record(actions.EXPORT_CANCELLED)] == ["denied"]
    assert fetch(auditor, export_id).status == 200


def test_an_expired_result_is_deleted(auditor, settings):
    settings.CC_EXPORT_HOURS = 1
    kept, expired = order(auditor), order(auditor)
    work()
    left = AuditExport.objects.get(id=expired).expires_at - database_now()
    assert timedelta(minutes=59) < left <= timedelta(minutes=60)
    AuditExport.objects.filter(id=expired).update(expires_at=database_now())

    response = fetch(auditor, expired)
    assert (response.status, response.code) == (404, "result_gone")
    task.delete_expired_results()
    assert [name.partition(".")[0] for name in files.FOLDER.names()] == [kept]
    assert fetch(auditor, kept).status == 200
    assert look(auditor, expired)["rows"] is not None  # its description remains


def test_a_file_on_another_server_is_missing_and_not_on_record_as_fetched(auditor):
    export_id = order(auditor)
    work()
    files.FOLDER.remove(files.FOLDER.names())
    response = fetch(auditor, export_id)
    assert (response.status, response.code) == (503, "result_missing")
    assert "Share CC_HOME/exports" in response.json["detail"]
    assert [entry.outcome for entry in on_record(actions.EXPORT_DOWNLOADED)] == ["error"]


def test_leftovers_go_and_what_is_being_written_stays(auditor, home):
    running_id, done_id = order(auditor), order(auditor)
    folder = home / "exports"
    folder.mkdir(exist_ok=True)
    leases.claim(registry.find_task(task.KIND), running_id)
    work()
    [result] = files.FOLDER.names()
    leftovers = [f"{done_id}.{'1' * 16}.jsonl", f"{done_id}.{'1' * 16}.jsonl.unfinished", f"{uuid4()}.x", "x"]
    busy = f"{running_id}.{'2' * 16}.jsonl.unfinished"
    for name in (*leftovers, busy):
        (folder / name).write_bytes(b"half")
    (folder / f"{done_id}.{'1' * 16}.tar.folder.unfinished" / "tile").mkdir(parents=True)
    task.delete_expired_results()
    assert sorted(files.FOLDER.names()) == sorted([result, busy])


def test_without_the_folder_there_is_nothing_to_delete(db):
    task.delete_expired_results()


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
    reported = look(auditor, export_id)
    assert (reported["status"], reported["error_code"]) == ("failed", "export_not_written")
    [entry] = on_record(actions.EXPORT_FAILED)
    assert (entry.outcome, entry.code, entry.user_id) == ("error", "export_not_written", auditor.user.id)
    assert fetch(auditor, export_id).json["job_status"] == "failed"


def test_an_altered_checkpoint_is_not_passed_on(auditor):
    bootstrap_checkpoint_keys()
    write(1)
    sequence_all()
    note = sign_checkpoint().note
    root = note.split("\n")[2]
    another = base64.b64encode(bytes(32)).decode()
    altered("UPDATE audit_checkpoints SET note = %s", note.replace(root, another))
    export_id = order(auditor)
    work()
    assert AuditExport.objects.get(id=export_id).status == Status.PENDING  # it will be retried
    assert not [name for name in files.FOLDER.names() if name.startswith(str(export_id))]


# --- dead workers and slow workers


def test_the_next_worker_starts_again_and_its_file_is_the_result(auditor, monkeypatch):
    """The first worker is so slow that it loses the job and ends after the second: its file is a leftover."""
    monkeypatch.setattr(task, "BATCH", 10)
    write_many(30)
    export_id = order(auditor)

    def another_takes_over():
        write_many(5)
        job, end = None, time.monotonic() + 60
        while job is None:  # the worker's heartbeat may renew the lease at any moment
            assert time.monotonic() < end
            AuditExport.objects.update(lease_until=database_now() - timedelta(seconds=1))
            job = leases.claim(registry.find_task(task.KIND), export_id)
        leases.end(job, Status.SUCCEEDED, {}, result=task.run(job, lambda *_: None))

    with meanwhile(another_takes_over, at_call=2):
        work()
    reported = look(auditor, export_id)
    content = fetch(auditor, export_id).raw.content
    assert reported["sha256"] == hashlib.sha256(content).hexdigest()
    assert reported["rows"] == len(ids(content))
    task.delete_expired_results()
    assert len(files.FOLDER.names()) == 1
    assert fetch(auditor, export_id).raw.content == content
