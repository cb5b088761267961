"""A bucket of S3 as a place of files. They are never replaced, and are read in the version that was stored."""

import hashlib
import socket
import sys
import time
from dataclasses import replace

import pytest

from audit.archive import buckets
from audit.archive.places import bucket_of, configured_place
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
    assert place.read("a", "").content == b"first"
    with pytest.raises(FileExistsError):
        place.add("a", b"second")


@pytest.mark.parametrize("version", ["", "0123456789abcdef"])
def test_a_missing_object_is_a_missing_file(bucket, version):
    with pytest.raises(FileNotFoundError):
        bucket.read("a", version)


def test_the_server_gets_a_checksum_before_the_object(bucket):
    sent = []
    buckets._client(bucket.endpoint).meta.events.register(
        "before-send.s3.PutObject", lambda request, **_: sent.append(request.headers)
    )

    bucket.add("a", b"first")

    [headers] = sent
    assert headers["x-amz-checksum-sha256"].decode() == encode_base64(hashlib.sha256(b"first").digest())


def test_a_missing_bucket_is_named(bucket):
    place = replace(bucket, name="no-such-bucket")

    for use in (lambda: place.add("a", b""), lambda: place.read("a")):
        with pytest.raises(Unavailable, match=r"no bucket no-such-bucket.*CC_AUDIT_ARCHIVE"):
            use()


def test_a_refused_access_is_explained_without_credentials(bucket, monkeypatch):
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)  # it has no account

    for use in (lambda: bucket.add("a", b""), lambda: bucket.read("a")):
        with pytest.raises(Unavailable, match=r"refuses access \(InvalidAccessKeyId\)") as refusal:
            use()
        assert s3.KEY_ID not in refusal.value.detail
        assert s3.SECRET not in refusal.value.detail


def test_missing_credentials_are_named(bucket, monkeypatch):
    buckets._client.cache_clear()
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(Unavailable, match=r"no complete credentials.*AWS_SECRET_ACCESS_KEY"):
        bucket.read("a")


def test_a_silent_server_is_given_up_after_its_timeout(bucket, monkeypatch):
    monkeypatch.setattr(buckets, "_READ_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = replace(bucket, endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(Unavailable, match=r"ReadTimeoutError.*CC_AUDIT_ARCHIVE_ENDPOINT"):
            place.read("a")
    assert time.monotonic() - began < 10


def test_a_server_that_is_down_is_given_up(bucket):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        place = replace(bucket, endpoint=f"http://127.0.0.1:{closed.getsockname()[1]}")

    with pytest.raises(Unavailable, match="EndpointConnectionError"):
        place.add("a", b"")


def test_an_endpoint_that_is_no_server_is_named(bucket):
    with pytest.raises(Conflict, match="CC_AUDIT_ARCHIVE_ENDPOINT"):
        replace(bucket, endpoint="http://:x").read("a")


@pytest.mark.parametrize(
    ("address", "bucket"),
    [
        ("", None),
        ("/srv/archive", None),
        ("archive:of/2026", None),
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
    assert error.id == "ciphercanary.E020"
    assert "secret" not in f"{refusal.value} {error}"


def test_without_boto3_only_a_bucket_is_an_error(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)

    settings.CC_AUDIT_ARCHIVE = "s3://logs"
    with pytest.raises(Conflict, match=r"ciphercanary\[s3\]"):
        configured_place()
    settings.CC_AUDIT_ARCHIVE = "/srv/archive"
    assert configured_place()
