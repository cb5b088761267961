"""A bucket of S3 as a place of files. They are never replaced, and are read in the version that was stored."""

import hashlib
import re
import socket
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from types import SimpleNamespace

import pytest
from botocore.awsrequest import AWSResponse

from audit.archive import buckets
from audit.archive.places import StoredFile, bucket_of, configured_place
from audit.checks import check_archive
from kernel.crypto.encoding import encode_base64
from kernel.errors import Conflict, Invalid, Unavailable
from tests.audit.archive import s3


def test_an_object_is_written_once(bucket):
    version = bucket.add("a", b"first")

    with pytest.raises(FileExistsError):
        bucket.add("a", b"second")

    assert bucket.read("a") == bucket.read("a", version)
    assert bucket.read("a").content == b"first"
    assert bucket.read("a").version_id == version != ""


def test_an_object_is_read_in_its_version(bucket):
    version = bucket.add("a", b"first")
    s3.put(bucket, "a", b"second")

    assert bucket.read("a", version).content == b"first"
    assert bucket.read("a").content == b"second"
    assert bucket.read("a").version_id != version


def test_a_bucket_without_versions_is_a_place_too(bucket, endpoint):
    place = replace(bucket, name=s3.new_bucket(endpoint, has_versions=False))

    assert place.add("a", b"first") == ""
    assert place.read("a", "") == StoredFile(b"first")
    with pytest.raises(FileExistsError):
        place.add("a", b"second")


@pytest.mark.parametrize("version", ["", "0123456789abcdef"])
def test_a_missing_object_is_a_missing_file(bucket, version):
    with pytest.raises(FileNotFoundError):
        bucket.read("a", version)


def test_the_server_gets_a_checksum_before_the_object(bucket):
    sent = []

    def note(request, **_):
        sent.append(request.headers["x-amz-checksum-sha256"].decode())

    with s3.during(bucket, "before-send.s3.PutObject", note):
        bucket.add("a", b"first")

    assert sent == [encode_base64(hashlib.sha256(b"first").digest())]


def test_an_object_that_is_too_large_is_not_read(bucket, monkeypatch):
    bucket.add("a", b"four")
    monkeypatch.setattr(buckets, "MOST_FILE_BYTES", 4)
    assert bucket.read("a").content == b"four"

    monkeypatch.setattr(buckets, "MOST_FILE_BYTES", 3)
    with pytest.raises(OSError, match="too large"):
        bucket.read("a")


def test_a_missing_bucket_is_named(bucket):
    place = replace(bucket, name="no-such-bucket")

    for use in (lambda: place.add("a", b""), lambda: place.read("a")):
        with pytest.raises(Unavailable, match=r"no bucket no-such-bucket.*CC_AUDIT_ARCHIVE"):
            use()


def test_a_refused_access_is_explained_without_credentials(bucket, monkeypatch):
    with s3.serving() as endpoint:
        place = replace(bucket, name=s3.new_bucket(endpoint), endpoint=endpoint)
        monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)  # the server has no account
        for use in (lambda: place.add("a", b""), lambda: place.read("a")):
            with pytest.raises(Unavailable, match=r"refuses access \(InvalidAccessKeyId\)") as refusal:
                use()
            assert s3.KEY_ID not in refusal.value.detail
            assert s3.SECRET not in refusal.value.detail


@pytest.mark.parametrize(
    ("status", "body", "shown"),
    [
        (501, b"<Error><Code>NotImplemented</Code></Error>", "responds with an error (NotImplemented)"),
        (400, b"<Error><Code>a key</Code></Error>", "responds with an error (400)"),
        (404, b"<html><body>another server</body></html>", "responds with an error (404)"),
        (401, b"<Error><Code>Unknown</Code></Error>", "refuses access (Unknown)"),
        (403, b"", "refuses access (403)"),
    ],
)
def test_an_error_of_the_server_is_shown_by_its_code(bucket, status, body, shown):
    def respond(request, **_):
        return AWSResponse(request.url, status, {}, SimpleNamespace(stream=lambda: iter([body])))

    with (
        s3.during(bucket, "before-send.s3.PutObject", respond),
        pytest.raises(Unavailable, match=re.escape(f"The bucket {bucket.name} {shown}")),
    ):
        bucket.add("a", b"")


@pytest.mark.parametrize("names", [["AWS_SECRET_ACCESS_KEY"], ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]])
def test_missing_credentials_are_named_and_found_later(bucket, monkeypatch, names):
    buckets._client.cache_clear()
    for name in names:
        monkeypatch.delenv(name)

    with pytest.raises(Unavailable, match=r"no complete credentials.*AWS_SECRET_ACCESS_KEY"):
        bucket.read("a")

    for name in names:
        monkeypatch.setenv(name, s3.SECRET)
    assert bucket.add("a", b"")


@pytest.mark.parametrize(
    ("waiting", "timeout", "error"),
    [(0, "_READ_SECONDS", "ReadTimeoutError"), (2, "_CONNECT_SECONDS", "ConnectTimeoutError")],
)
def test_a_server_that_does_not_respond_is_given_up(bucket, monkeypatch, waiting, timeout, error):
    """It accepts no connection, and has a queue for one or two."""
    monkeypatch.setattr(buckets, timeout, 0.1)
    with ExitStack() as opened:
        server = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0 if waiting else 8))
        for _ in range(waiting):
            opened.enter_context(client := socket.socket()).setblocking(False)
            client.connect_ex(server.getsockname())
        place = replace(bucket, endpoint=f"http://127.0.0.1:{server.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(Unavailable, match=rf"{error}.*CC_AUDIT_ARCHIVE_ENDPOINT"):
            place.read("a")
    assert time.monotonic() - began < 4  # the real timeouts are longer


def test_a_server_that_is_down_is_tried_twice(bucket):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        place = replace(bucket, endpoint=f"http://127.0.0.1:{closed.getsockname()[1]}")
    attempts = []

    def count(**_):
        attempts.append(1)

    with (
        s3.during(place, "before-send.s3.PutObject", count),
        pytest.raises(Unavailable, match="EndpointConnectionError"),
    ):
        place.add("a", b"")

    assert len(attempts) == 2


def test_the_server_is_that_of_amazon_without_an_endpoint(bucket):
    assert buckets._client("").meta.endpoint_url == "https://s3.amazonaws.com"


def test_an_endpoint_that_is_no_server_is_named(bucket):
    with pytest.raises(Conflict, match="CC_AUDIT_ARCHIVE_ENDPOINT"):
        replace(bucket, endpoint="http://:x").read("a")


@pytest.mark.parametrize(
    ("address", "bucket"),
    [
        ("", None),
        ("/srv/archive", None),
        ("/archive:of/2026", None),
        ("s3://logs", ("logs", "")),
        ("s3://logs/", ("logs", "")),
        ("s3://logs.example/a/b-1.c/", ("logs.example", "a/b-1.c/")),
    ],
)
def test_an_address_is_a_folder_or_a_bucket(address, bucket, settings):
    settings.CC_AUDIT_ARCHIVE = address

    assert bucket_of(address) == bucket
    assert list(check_archive()) == []


@pytest.mark.parametrize(
    "address",
    [
        "s3:/logs",
        "s3://",
        "s3://ab",
        "S3://logs",
        "s3://Logs/a",
        "s3://logs//a",
        "s3://logs/a?b=c",
        "s3://logs/../a",
        "s3://logs/a/.",
        "s3://key:secret@logs/a",
        "https://logs.example/a",
    ],
)
def test_another_url_is_an_error_that_does_not_show_it(address, settings):
    settings.CC_AUDIT_ARCHIVE = address

    with pytest.raises(Invalid, match="CC_AUDIT_ARCHIVE must be a folder, or a URL such as") as refusal:
        configured_place()
    [error] = check_archive()
    assert (error.id, "CC_AUDIT_ARCHIVE" in error.hint) == ("ciphercanary.E020", True)
    assert "secret" not in f"{refusal.value} {error}"


def test_without_boto3_only_a_bucket_is_an_error(settings, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "boto3", None)

    settings.CC_AUDIT_ARCHIVE = "s3://logs"
    with pytest.raises(Conflict, match="boto3"):
        configured_place()
    settings.CC_AUDIT_ARCHIVE = str(tmp_path)
    assert configured_place().add("a", b"") == ""


@pytest.mark.parametrize(
    ("place", "days", "words"), [("archive", 0, "absolute path"), ("", 400, "needs CC_AUDIT_ARCHIVE")]
)
def test_a_place_that_cannot_be_one_is_an_error(settings, place, days, words):
    settings.CC_AUDIT_ARCHIVE, settings.CC_AUDIT_ARCHIVE_DAYS = place, days

    [error] = check_archive()

    assert words in error.msg
