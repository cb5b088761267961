"""File jobs: one contract for both interfaces of the upload, the task, what stays on the disk, and the commands."""

import hashlib
import json
import os
import uuid
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from crypto_ops.files import services, storage, task
from crypto_ops.models import FileOperation
from crypto_ops.streams import Decryption
from kernel.clock import database_now
from kernel.jobs import files as job_files
from kernel.jobs import leases, registry
from kernel.jobs.errors import ResultGone
from kernel.trust import kek, rewrapping
from keys.errors import KeyNotUsable
from tests.audit.exports.exporting import work
from tests.crypto_ops.stream_client import DECRYPT, StreamInterface, carry
from tests.crypto_ops.stream_client import path as stream_path
from tests.kernel.ring import ring  # noqa: F401 - a fixture
from tests.log_entries import log_rows
from tests.personas import b64

FILES = "/api/v1/files"
MARKER = b"a line of the plaintext "
PLAINTEXT = MARKER * 50_000
BOUNDARY = "a boundary of the form"
FORM = f'multipart/form-data; boundary="{BOUNDARY}"'


@pytest.fixture(params=["rest", "endpoint"])
def interface(request, bench):
    return StreamInterface(request.param, bench.persona.api)


@pytest.fixture
def rest(bench):
    return StreamInterface("rest", bench.persona.api)


def to_encrypt(key, **parameters):
    return f"{FILES}?operation=encrypt&key_id={key['id']}" + "".join(
        f"&{n}={v}" for n, v in parameters.items()
    )


TO_DECRYPT = f"{FILES}?operation=decrypt"


def form(*parts):
    """A form with fields of (name, filename or None, content)."""
    lines = b""
    for name, filename, content in parts:
        file = "" if filename is None else f'; filename="{filename}"'
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        lines += head.encode() + content + b"\r\n"
    return lines + f"--{BOUNDARY}--\r\n".encode()


def code(outcome):
    assert outcome.headers["content-type"] == "application/problem+json", outcome.content
    return outcome.status, json.loads(outcome.content)["code"]


def uploaded(outcome):
    assert outcome.status == 202, outcome.content
    return json.loads(outcome.content)["id"]


def look(bench, job_id):
    answer = bench.persona.api.get(f"{FILES}/{job_id}")
    assert answer.status == 200
    return answer.json


def content(bench, job_id):
    principal = bench.persona.principal
    result = services.find_result(principal=principal, job_id=uuid.UUID(job_id))
    return b"".join(services.open_result(principal=principal, result=result))


def opened(bench, octets, aad=b""):
    with Decryption(bench.persona.principal, aad=aad) as stream:
        stream.write(octets)
        return b"".join(stream.finish())


def stored():
    return (
        [path for path in storage.FOLDER.path.iterdir() if path.is_file()]
        if storage.FOLDER.path.exists()
        else []
    )


def test_a_file_is_encrypted_and_decrypted_again(interface, bench, key):
    answer = interface.post(to_encrypt(key, name="ledger.csv"), PLAINTEXT, X_AAD=b64(b"order 7"))
    job_id = uploaded(answer)
    assert answer.headers["location"] == f"{FILES}/{job_id}"
    work()
    facts = look(bench, job_id)
    sealed = content(bench, job_id)
    assert (facts["status"], facts["key_version"], facts["name"]) == ("succeeded", 1, "ledger.csv")
    assert facts["bytes_done"] == facts["bytes_total"] == len(PLAINTEXT)
    assert (facts["size"], facts["sha256"]) == (len(sealed), hashlib.sha256(sealed).hexdigest())
    assert opened(bench, sealed, b"order 7") == PLAINTEXT

    back = uploaded(interface.post(TO_DECRYPT + "&name=ledger.csv.cc", sealed, X_AAD=b64(b"order 7")))
    work()
    facts = look(bench, back)
    assert (facts["status"], facts["size"], facts["key_id"]) == ("succeeded", len(PLAINTEXT), key["id"])
    assert facts["sha256"] == hashlib.sha256(PLAINTEXT).hexdigest()
    assert content(bench, back) == PLAINTEXT


@pytest.mark.parametrize("size", [0, 1, storage.BLOCK, storage.BLOCK + 1])
def test_a_file_of_any_size_is_encrypted(rest, bench, key, size):
    job_id = uploaded(rest.post(to_encrypt(key), bytes(size)))
    work()
    assert opened(bench, content(bench, job_id)) == bytes(size)


def test_the_file_of_a_form_is_encrypted(interface, bench, key):
    body = form(("note", None, b"ignored"), ("file", "C:\\private\\ledger.csv", PLAINTEXT))
    job_id = uploaded(interface.post(to_encrypt(key), body, content_type=FORM))
    work()
    assert look(bench, job_id)["name"] == "ledger.csv"
    assert opened(bench, content(bench, job_id)) == PLAINTEXT


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (form(("other", "a", b"x")), FORM),
        (form(("file", "a", b"x"), ("file", "b", b"y")), FORM),
        (form(("file", "a", b"x"))[:-4], FORM),
        (b"no form", FORM),
        (form(("file", "a", b"x")), "multipart/form-data"),
    ],
    ids=["no file", "two files", "cut", "no form", "no boundary"],
)
def test_a_form_without_one_complete_file_is_refused(interface, key, body, content_type):
    assert code(interface.post(to_encrypt(key), body, content_type=content_type)) == (400, "invalid_request")
    assert stored() == []


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("?key_id=name:bench-aes-256", "operation"),
        ("?operation=sign&key_id=name:bench-aes-256", "operation"),
        ("?operation=encrypt", "key_id"),
        ("?operation=decrypt&key_id=name:bench-aes-256", "key_id"),
        ("?operation=encrypt&key_id=name:bench-aes-256&name=" + "a" * 256, "name"),
        ("?operation=encrypt&key_id=name:bench-aes-256&more=1", "more"),
    ],
)
def test_parameters_of_an_upload_are_checked(interface, key, query, named):
    answer = interface.post(FILES + query, b"x")
    assert code(answer) == (400, "invalid_request")
    assert named in json.loads(answer.content)["errors"]


@pytest.mark.parametrize(
    ("path", "headers", "body", "expected"),
    [
        (TO_DECRYPT, {}, b"plain text, and a lot of it", (400, "malformed_ciphertext")),
        (TO_DECRYPT, {}, b"", (400, "malformed_ciphertext")),
        (TO_DECRYPT, {}, b"\x01\x20" + bytes(100), (404, "not_found")),
        (TO_DECRYPT, {"content_type": "text/plain"}, b"x", (415, "unsupported_media_type")),
        (TO_DECRYPT, {"token": ""}, b"x", (401, "authentication_failed")),
        (FILES + "?operation=encrypt&key_id=name:missing", {}, b"x", (404, "not_found")),
    ],
)
def test_bad_uploads_are_refused_and_leave_nothing(interface, path, headers, body, expected):
    assert code(interface.post(path, body, **headers)) == expected
    assert stored() == []


def test_other_roles_and_other_keys_are_refused(interface, bench, key, auditor, stranger):
    wrong = bench.key("chacha20")
    assert code(interface.post(to_encrypt(wrong), b"x")) == (400, "unsupported_algorithm")
    assert code(StreamInterface(interface.name, auditor.api).post(to_encrypt(key), b"x")) == (
        403,
        "permission_denied",
    )
    other = StreamInterface(interface.name, stranger.api)
    assert code(other.post(to_encrypt(key), b"x")) == (404, "not_found")
    job_id = uploaded(interface.post(to_encrypt(key), b"x"))
    assert stranger.api.get(f"{FILES}/{job_id}").status == 404


def test_a_quota_limits_the_files_of_each_caller(interface, key, settings):
    settings.CC_FILE_QUOTA_BYTES = 1000
    uploaded(interface.post(to_encrypt(key), bytes(600)))
    answer = interface.post(to_encrypt(key), bytes(401))
    assert code(answer) == (422, "file_quota_exceeded")
    assert json.loads(answer.content)["bytes_limit"] == 1000
    uploaded(interface.post(to_encrypt(key), bytes(400)))
    assert code(interface.post(to_encrypt(key), b"")) == (422, "file_quota_exceeded")
    assert len(stored()) == 2


def test_no_plaintext_is_stored_at_any_time(rest, bench, key):
    job_id = uploaded(rest.post(to_encrypt(key), PLAINTEXT))
    [upload] = stored()
    assert (MARKER in upload.read_bytes(), oct(upload.stat().st_mode)[-3:]) == (False, "600")
    work()
    [result] = stored()  # the upload is gone
    sealed = result.read_bytes()
    assert FileOperation.objects.get(pk=job_id).wrapped == b""
    assert MARKER not in sealed
    uploaded(rest.post(TO_DECRYPT, sealed))
    work()
    assert all(MARKER not in path.read_bytes() for path in stored())


def test_an_upload_that_is_cut_leaves_nothing(bench, key):
    carried = carry(to_encrypt(key), [PLAINTEXT, PLAINTEXT], token=bench.persona.api.token, cut=True)
    assert carried.status == 0
    assert (stored(), FileOperation.objects.count()) == ([], 0)


def test_a_key_that_is_disabled_during_the_upload_refuses_it(bench, key):
    def between(number):
        if number == 1:
            bench.change_key(key["id"], "disable")

    carried = carry(to_encrypt(key), [b"x", b"y"], token=bench.persona.api.token, between=between)
    assert (carried.status, json.loads(carried.content)["code"]) == (409, "key_not_active")
    assert (stored(), FileOperation.objects.count()) == ([], 0)


@pytest.mark.usefixtures("ring")
def test_an_upload_survives_the_rewrap_of_all_keys(rest, bench, key):
    job_id = uploaded(rest.post(to_encrypt(key), PLAINTEXT))
    kek.make_primary(kek.create_file())
    rewrapping.rewrap_all(lambda _done, _total: None)
    work()
    assert look(bench, job_id)["status"] == "succeeded"


def test_the_result_is_downloaded_under_its_name_with_its_digest(rest, bench, key, auditor):
    job_id = uploaded(rest.post(to_encrypt(key, name="ledger.csv"), PLAINTEXT))
    path = f"/api/v1/operations/{job_id}/result"
    early = bench.persona.api.get(path)
    assert (early.status, early.code, early.json["file_job_status"]) == (409, "no_result", "pending")
    work()
    answer, head = bench.persona.api.get(path), bench.persona.api.send("HEAD", path, None)
    sealed = answer.response.content
    assert opened(bench, sealed) == PLAINTEXT
    digest = b64(hashlib.sha256(sealed).digest())
    for each in (answer, head):
        assert each.status == 200
        assert each.headers["Content-Length"] == str(len(sealed))
        assert each.headers["Content-Disposition"] == 'attachment; filename="ledger.csv.cc"'
        assert each.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert auditor.api.get(path).status == 403  # reads jobs, but not what a key protects
    assert bench.persona.api.post(f"/api/v1/operations/{job_id}/cancel").code == "conflict"


# --- the task


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
    type(dead).objects.filter(pk=dead.pk).update(lease_until=database_now() - timedelta(seconds=1))
    work()
    assert opened(bench, content(bench, job_id)) == PLAINTEXT
    with pytest.raises(leases.LeaseLost):
        leases.end(dead, leases.Status.FAILED, {}, error_code="late")


def test_a_full_disk_delays_the_job(rest, bench, key, monkeypatch):
    job_id = uploaded(rest.post(to_encrypt(key), PLAINTEXT))
    with monkeypatch.context() as patched:
        patched.setattr(job_files, "RESERVE", 2**60)
        work()
        answer = rest.post(to_encrypt(key), b"x")
        assert code(answer) == (503, "file_not_stored")
    facts = look(bench, job_id)
    assert facts["status"] == "pending"
    assert [path.name for path in stored()] == [f"{job_id}.upload"]
    FileOperation.objects.update(due_at=database_now())
    work()
    assert opened(bench, content(bench, job_id)) == PLAINTEXT


def altered(path):
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda _bench, _key: altered(stored()[0]), "decryption_failed"),
        (lambda _bench, _key: os.truncate(stored()[0], 17_000), "decryption_failed"),
        (lambda _bench, _key: FileOperation.objects.update(aad=b"other", attempts=4), "integrity_failed"),
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
    assert FileOperation.objects.get(pk=job_id).error_code == expected
    assert stored() == []


def test_a_file_that_does_not_decrypt_has_no_result(rest, bench, key):
    sealed = bytearray(rest.post(stream_path(key), PLAINTEXT).content)
    sealed[-1] ^= 1
    job_id = uploaded(rest.post(TO_DECRYPT, bytes(sealed)))
    work()
    assert look(bench, job_id)["error_code"] == "decryption_failed"
    assert stored() == []


def test_a_requester_without_the_permission_gets_no_result(bench, key):
    job_id = uploaded(StreamInterface("rest", bench.persona.api).post(to_encrypt(key), b"x"))
    user = bench.persona.user
    user.is_active = False
    user.save_with_mac(update_fields=["is_active"])
    work()
    assert FileOperation.objects.get(pk=job_id).error_code == "permission_denied"
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
    FileOperation.objects.update(due_at=database_now())
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
    FileOperation.objects.filter(pk=done).update(expires_at=database_now())
    with pytest.raises(ResultGone):
        content(bench, done)
    task.delete_expired_files()
    assert done not in {path.name.partition(".")[0] for path in stored()}


# --- commands


def test_a_file_of_a_job_opens_with_the_command_and_the_other_way_round(rest, bench, key, tmp_path, capsys):
    plain, sealed, back = tmp_path / "plain", tmp_path / "sealed", tmp_path / "back"
    plain.write_bytes(PLAINTEXT)
    call_command("encrypt_file", "bench-aes-256", str(plain), str(sealed), aad="order 7")
    assert hashlib.sha256(sealed.read_bytes()).hexdigest() in capsys.readouterr().out
    assert rest.post(DECRYPT, sealed.read_bytes(), X_AAD=b64(b"order 7")).content == PLAINTEXT
    job_id = uploaded(rest.post(to_encrypt(key), PLAINTEXT))
    work()
    sealed.write_bytes(content(bench, job_id))
    call_command("decrypt_file", str(sealed), str(back))
    assert (back.read_bytes(), oct(back.stat().st_mode)[-3:]) == (PLAINTEXT, "600")


def test_a_command_writes_a_complete_file_or_none(bench, key, tmp_path):
    sealed, back = tmp_path / "sealed", tmp_path / "back"
    sealed.write_bytes(b"no stream")
    with pytest.raises(CommandError, match="does not start with a stream header"):
        call_command("decrypt_file", str(sealed), str(back))
    with pytest.raises(CommandError, match="does not exist"):
        call_command("encrypt_file", "missing", str(sealed), str(back))
    with pytest.raises(CommandError, match="already exists"):
        call_command("decrypt_file", str(back), str(sealed))
    assert [path.name for path in tmp_path.iterdir()] == ["sealed"]
