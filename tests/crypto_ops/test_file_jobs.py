"""The task of a file job: its record, cancelling, takeover, failures and clean-up."""

import os
import uuid
from datetime import timedelta

import pytest

from accounts.errors import SessionEnded
from accounts.principals import Principal
from accounts.users.services.editing import disable_user
from audit.log.events import Source
from crypto_ops.files import decrypted, services, storage, task
from crypto_ops.models import FileJob
from kernel.clock import database_now
from kernel.jobs import files as job_files
from kernel.jobs import leases, registry
from kernel.jobs.errors import ResultGone
from kernel.jobs.job import JobRecord
from keys.errors import KeyNotUsable
from keys.models import Key
from tests.audit.exports.exporting import work
from tests.crypto_ops.file_jobs import (
    FILES,
    PLAINTEXT,
    TO_DECRYPT,
    code,
    content,
    look,
    opened,
    stored,
    to_encrypt,
    uploaded,
)
from tests.crypto_ops.stream_client import StreamInterface
from tests.crypto_ops.stream_client import path as stream_path
from tests.factories import GrantFactory
from tests.kernel.ring import ring  # noqa: F401 - a fixture
from tests.log_entries import log_rows

SYSTEM = Principal.system("tests", Source.COMMAND)


@pytest.mark.django_db
def test_a_decrypted_file_has_the_name_of_its_encrypted_file_or_the_id_of_its_job():
    job = FileJob(id=uuid.uuid4(), operation="decrypt")
    for name, expected in (("a.txt.cc", "a.txt"), ("a.txt", "a.txt"), (".cc", str(job.id))):
        job.name = name
        assert services._name_of(job) == expected


def test_every_step_is_on_record(rest, bench, key):
    job_id = uploaded(rest.post(to_encrypt(key), b"four"))
    work()
    content(bench, job_id)
    entries = [
        (entry.action, entry.object_type, entry.size, entry.source)
        for entry in log_rows().filter(action__regex=r"^(keys\.file|crypto\.stream)\.").order_by("id")
    ]
    size = look(bench, job_id)["size"]
    assert entries[:4] == [
        ("keys.file.requested", "file", 4, "api"),
        ("crypto.stream.encrypted", "key", 4, "api"),
        ("keys.file.finished", "file", size, "scheduler"),
        ("keys.file.downloaded", "file", size, "api"),
    ]


def test_a_running_job_is_cancelled_between_two_blocks(rest, bench, key, monkeypatch):
    monkeypatch.setattr(storage, "BLOCK", 1000)
    job_id = uploaded(rest.post(to_encrypt(key), PLAINTEXT))

    def report(progress, done):
        if done > 5000:
            principal = bench.persona.principal
            services.cancel_file(principal=principal, job_id=uuid.UUID(job_id))
            progress._is_cancelled = True  # what its thread finds within a second

    run_with(monkeypatch, report)
    work()
    assert look(bench, job_id)["status"] == "cancelled"
    assert stored() == []


def test_a_cancellation_after_the_last_progress_report_counts(rest, bench, key, monkeypatch):
    job_id = uploaded(rest.post(to_encrypt(key), b"four"))

    def report(_progress, done):
        if done == 4:
            services.cancel_file(principal=bench.persona.principal, job_id=uuid.UUID(job_id))

    run_with(monkeypatch, report)
    work()
    assert look(bench, job_id)["status"] == "cancelled"
    assert stored() == []


def test_a_requester_who_is_disabled_after_the_check_of_their_rights_gets_no_result(
    bench, stranger, monkeypatch
):
    key = stranger.api.post("/api/v1/keys", {"name": "orders", "algorithm": "aes-256"}).json
    job_id = uploaded(StreamInterface("rest", stranger.api).post(to_encrypt(key), b"x"))

    def report(_progress, done):
        if done == 1:
            disable_user(principal=SYSTEM, user_id=stranger.user.id)

    run_with(monkeypatch, report)
    work()
    assert FileJob.objects.get(pk=job_id).error_code == SessionEnded.code
    assert stored() == []


@pytest.mark.parametrize(
    "columns", [{"created_by_name": "bob"}, {"actor": {"client_ip": "203.0.113.9"}}], ids=["name", "actor"]
)
def test_an_altered_requester_is_noticed(rest, bench, key, columns):
    job_id = uploaded(rest.post(to_encrypt(key), b"x"))
    JobRecord.objects.update(attempts=4, **columns)
    work()
    assert JobRecord.objects.get(pk=job_id).error_code == "integrity_failed"


def test_a_worker_compares_networks_with_the_address_that_entries_do_not_keep(bench, stranger, key, settings):
    settings.CC_AUDIT_ADDRESSES = "none"
    GrantFactory(key=Key.objects.get(id=key["id"]), to=stranger.principal, networks=["127.0.0.1/32"])
    job_id = uploaded(StreamInterface("rest", stranger.api).post(to_encrypt(key), b"x"))
    work()
    assert FileJob.objects.get(pk=job_id).status == "succeeded"
    entries = log_rows().filter(
        action__in=("keys.file.requested", "crypto.stream.encrypted", "keys.file.finished")
    )
    assert [entry.client_ip for entry in entries] == [""] * 3


def test_an_upload_that_was_replaced_by_one_of_another_key_has_no_result(rest, bench, key):
    other = bench.key("aes-256", name="other")
    job_id = uploaded(rest.post(TO_DECRYPT, rest.post(stream_path(key), b"x").content))
    stored()[0].write_bytes(rest.post(stream_path(other), b"y").content)
    JobRecord.objects.update(attempts=4)
    work()
    assert look(bench, job_id)["error_code"] == "integrity_failed"


def test_a_cancelled_job_leaves_no_upload(rest, bench, key):
    job_id = uploaded(rest.post(to_encrypt(key), PLAINTEXT))
    response = bench.persona.api.post(f"/api/v1/operations/{job_id}/cancel")
    assert (response.status, response.json["status"]) == (200, "cancelled")
    assert stored() == []


def run_with(monkeypatch, report):
    """Call ``report`` with the progress and the bytes that are done, before each block."""
    found = registry.find_task(task.KIND)

    def run(job, progress):
        def each(done, total=None):
            report(progress, done)
            progress(done, total)

        return found.run(job, each)

    monkeypatch.setitem(registry._tasks, task.KIND, registry.Task(found.kind, found.model, run, found.ended))


def test_a_job_whose_worker_died_is_done_by_another_one_once(rest, bench, key):
    job_id = uploaded(rest.post(to_encrypt(key), PLAINTEXT))
    dead = leases.claim(registry.find_task(task.KIND), job_id)
    (storage.FOLDER.path / f"{job_id}.0123456789abcdef.result.unfinished").write_bytes(b"half")
    JobRecord.objects.filter(pk=dead.pk).update(lease_until=database_now() - timedelta(seconds=1))
    work()
    assert opened(bench, content(bench, job_id)) == PLAINTEXT
    with pytest.raises(leases.LeaseLost):
        leases.end(dead, leases.Status.FAILED, {}, error_code="late")


def test_a_full_disk_delays_the_job(rest, bench, key, monkeypatch):
    job_id = uploaded(rest.post(to_encrypt(key), PLAINTEXT))
    with monkeypatch.context() as patched:
        patched.setattr(job_files, "RESERVE", 2**60)
        work()
        response = rest.post(to_encrypt(key), b"x")
        assert code(response) == (503, "file_not_stored")
    facts = look(bench, job_id)
    assert facts["status"] == "pending"
    assert [path.name for path in stored()] == [f"{job_id}.upload"]
    JobRecord.objects.update(due_at=database_now())
    work()
    assert opened(bench, content(bench, job_id)) == PLAINTEXT


def alter_row(_bench, _key):
    FileJob.objects.update(aad=b"other")
    JobRecord.objects.update(attempts=4)  # an altered row is retried, as it may be restored


def altered(path):
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda _bench, _key: altered(stored()[0]), "decryption_failed"),
        (lambda _bench, _key: os.truncate(stored()[0], 17_000), "decryption_failed"),
        (alter_row, "integrity_failed"),
        (lambda bench, key: bench.change_key(key["id"], "disable"), "key_not_active"),
    ],
    ids=["altered upload", "shorter upload", "altered row", "disabled key"],
)
def test_a_job_that_cannot_succeed_fails_with_a_code_and_leaves_nothing(rest, bench, key, change, expected):
    job_id = uploaded(rest.post(to_encrypt(key), PLAINTEXT))
    change(bench, key)
    work()
    facts = bench.persona.api.get(f"{FILES}/{job_id}")
    if expected != "integrity_failed":  # of the row, which no page shows
        assert (facts.json["status"], facts.json["error_code"]) == ("failed", expected)
    assert FileJob.objects.get(pk=job_id).error_code == expected
    assert stored() == []


def test_a_file_that_does_not_decrypt_has_no_result(rest, bench, key):
    sealed = bytearray(rest.post(stream_path(key), PLAINTEXT).content)
    sealed[-1] ^= 1
    job_id = uploaded(rest.post(TO_DECRYPT, bytes(sealed)))
    work()
    assert look(bench, job_id)["error_code"] == "decryption_failed"
    assert stored() == []


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "auditor"}], ids=str)
def test_a_requester_who_may_no_longer_encrypt_gets_no_result(rest, bench, key, change):
    job_id = uploaded(rest.post(to_encrypt(key), b"x"))
    user = bench.persona.user
    vars(user).update(change)
    user.save_with_mac(update_fields=list(change))
    work()
    assert FileJob.objects.get(pk=job_id).error_code == "permission_denied"
    assert stored() == []


def test_a_key_that_is_rotated_meanwhile_encrypts_again_under_its_new_version(rest, bench, key, monkeypatch):
    job_id = uploaded(rest.post(to_encrypt(key), b"x"))
    rotated = []

    def report(_progress, _done):
        if not rotated:
            rotated.append(bench.change_key(key["id"], "rotate"))

    run_with(monkeypatch, report)
    work()
    assert look(bench, job_id)["status"] == "pending"
    JobRecord.objects.update(due_at=database_now())
    work()
    assert look(bench, job_id)["key_version"] == 2


def test_a_decrypted_file_needs_the_key_at_each_download(rest, bench, key):
    sealed = rest.post(stream_path(key), b"x").content
    job_id = uploaded(rest.post(TO_DECRYPT, sealed))
    work()
    assert content(bench, job_id) == b"x"
    bench.change_key(key["id"], "disable")
    with pytest.raises(KeyNotUsable):
        content(bench, job_id)


def test_a_download_stops_when_the_key_is_disabled(rest, bench, key, monkeypatch):
    monkeypatch.setattr(decrypted, "CHECK_SECONDS", 0)
    job_id = uploaded(rest.post(TO_DECRYPT, rest.post(stream_path(key), PLAINTEXT).content))
    work()
    principal = bench.persona.principal
    result = services.find_result(principal=principal, job_id=uuid.UUID(job_id))
    with services.open_result(principal=principal, result=result).take_over() as file:
        first = file.read()
        bench.change_key(key["id"], "disable")
        with pytest.raises(KeyNotUsable):
            file.read()
    assert PLAINTEXT.startswith(first)


def test_files_of_expired_jobs_are_removed_and_arriving_ones_stay(rest, bench, key):
    done = uploaded(rest.post(to_encrypt(key), b"x"))
    work()
    waiting = uploaded(rest.post(to_encrypt(key), b"x"))
    arriving, leftover = (storage.FOLDER.path / f"{uuid.uuid4()}.upload.unfinished" for _ in range(2))
    arriving.touch()
    leftover.touch()
    for path in stored():
        if path != arriving:
            os.utime(path, (0, 0))
    task.delete_expired_files()
    assert {path.name.partition(".")[0] for path in stored()} == {
        done,
        waiting,
        arriving.name.partition(".")[0],
    }
    FileJob.objects.filter(pk=done).update(expires_at=database_now())
    with pytest.raises(ResultGone):
        content(bench, done)
    task.delete_expired_files()
    assert done not in {path.name.partition(".")[0] for path in stored()}
