"""Uploads of files: one contract for both interfaces, and what stays on the disk."""

import hashlib
import json
import uuid

import pytest

from crypto_ops.errors import FileQuotaExceeded
from crypto_ops.files import storage
from crypto_ops.files.uploads import FileRequest, Upload
from crypto_ops.models import FileJob, FileOperation
from kernel.trust import kek, rewrapping
from tests.audit.exports.exporting import work
from tests.crypto_ops.file_jobs import (
    FILES,
    FORM,
    MARKER,
    PLAINTEXT,
    TO_DECRYPT,
    code,
    content,
    form,
    look,
    opened,
    stored,
    to_encrypt,
    uploaded,
)
from tests.crypto_ops.stream_client import StreamInterface, carry
from tests.kernel.ring import ring  # noqa: F401 - a fixture
from tests.personas import b64


def test_a_file_is_encrypted_and_decrypted_again(interface, bench, key):
    response = interface.post(to_encrypt(key, name="ledger.csv"), PLAINTEXT, X_AAD=b64(b"order 7"))
    job_id = uploaded(response)
    assert response.headers["location"] == f"{FILES}/{job_id}"
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
    response = interface.post(FILES + query, b"x")
    assert code(response) == (400, "invalid_request")
    assert named in json.loads(response.content)["errors"]


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


def test_many_bytes_around_the_file_of_a_form_are_refused(interface, key):
    parts = [("note", None, b"")] * 1500
    response = interface.post(to_encrypt(key), form(*parts, ("file", "a", b"x")), content_type=FORM)
    assert code(response) == (400, "invalid_request")
    assert stored() == []


def test_a_boundary_that_is_too_long_is_refused(interface, key):
    content_type = f"multipart/form-data; boundary={'b' * 300}"
    assert code(interface.post(to_encrypt(key), b"x", content_type=content_type)) == (400, "invalid_request")


def test_uploads_that_arrive_at_the_same_time_share_the_quota(bench, key, settings):
    settings.CC_FILE_QUOTA_BYTES = 1000
    first, second = (
        Upload(
            bench.persona.principal,
            FileRequest(operation=FileOperation.ENCRYPT, key_id=uuid.UUID(key["id"])),
            render=lambda _: b"",
        )
        for _ in range(2)
    )
    with second:
        with first:
            first.write(bytes(600))
            with pytest.raises(FileQuotaExceeded):
                second.write(bytes(401))
        second.write(bytes(1))  # that is the end of the first one
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
    response = interface.post(to_encrypt(key), bytes(401))
    assert code(response) == (422, "file_quota_exceeded")
    assert json.loads(response.content)["bytes_limit"] == 1000
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
    assert FileJob.objects.get(pk=job_id).wrapped == b""
    assert MARKER not in sealed
    uploaded(rest.post(TO_DECRYPT, sealed))
    work()
    assert all(MARKER not in path.read_bytes() for path in stored())


def test_an_upload_that_is_cut_leaves_nothing(bench, key):
    carried = carry(to_encrypt(key), [PLAINTEXT, PLAINTEXT], token=bench.persona.api.token, cut=True)
    assert carried.status == 0
    assert (stored(), FileJob.objects.count()) == ([], 0)


def test_a_key_that_is_disabled_during_the_upload_refuses_it(bench, key):
    def between(number):
        if number == 1:
            bench.change_key(key["id"], "disable")

    carried = carry(to_encrypt(key), [b"x", b"y"], token=bench.persona.api.token, between=between)
    assert (carried.status, json.loads(carried.content)["code"]) == (409, "key_not_active")
    assert (stored(), FileJob.objects.count()) == ([], 0)


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
    assert (early.status, early.code, early.json["job_status"]) == (409, "no_result", "pending")
    work()
    response, head = bench.persona.api.get(path), bench.persona.api.send("HEAD", path, None)
    sealed = response.raw.content
    assert opened(bench, sealed) == PLAINTEXT
    digest = b64(hashlib.sha256(sealed).digest())
    for each in (response, head):
        assert each.status == 200
        assert each.headers["Content-Length"] == str(len(sealed))
        assert each.headers["Content-Disposition"] == 'attachment; filename="ledger.csv.cc"'
        assert each.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert auditor.api.get(path).status == 403  # reads jobs, but not what a key protects
    assert bench.persona.api.post(f"/api/v1/operations/{job_id}/cancel").code == "conflict"
