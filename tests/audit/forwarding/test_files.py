"""A file receives whole lines in order, also when another program rotates it."""

import os

import pytest

from audit.checks import check_log_target_folder
from audit.forwarding.transports import files
from audit.models import LogTarget
from audit.sequencing.tree import read_tree
from tests.audit.forwarding.conftest import retry, run, verified, write

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def path(settings, tmp_path):
    settings.CC_LOG_TARGET_FOLDER = str(tmp_path)
    return tmp_path / "audit.jsonl"


@pytest.fixture
def target(log, path, new_target):
    return new_target(f"file://{path}")


def test_a_file_gets_the_log_and_is_synced(target, path, monkeypatch):
    synced = []
    monkeypatch.setattr(files.os, "fsync", lambda file: synced.append(os.fstat(file).st_size))
    usual = os.umask(0o077)  # as bin/serve sets it
    try:
        assert run(target).size == read_tree().size
    finally:
        os.umask(usual)
    assert verified(path.read_bytes().splitlines()).end == read_tree().size
    assert synced[0] == path.stat().st_size
    assert len(synced) == 2  # the folder, too
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_rotated_file_is_continued_in_a_new_one(target, path, log):
    run(target)
    old = path.rename(path.with_suffix(".1"))
    write(log)
    run(target)
    found = verified((old.read_bytes() + path.read_bytes()).splitlines())
    assert (found.end, found.duplicates) == (read_tree().size, 0)


def test_a_line_that_was_interrupted_is_not_continued(target, path):
    path.write_bytes(b'{"id":1,"actio')
    run(target)
    partial, rest = path.read_bytes().split(b"\n", 1)
    assert partial == b'{"id":1,"actio'
    assert verified(rest.splitlines()).end == read_tree().size


def test_a_disk_that_is_full_moves_no_position(target, path, monkeypatch):
    def full(_file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    failed = run(target)
    assert (failed.size, failed.last_error) == (0, "The disk of the file is full.")
    monkeypatch.undo()
    assert retry(failed).size == read_tree().size


@pytest.mark.parametrize("make", ["symlink", "pipe", "folder"])
def test_something_else_in_place_of_the_file_is_not_written(make, target, path, tmp_path):
    other = tmp_path / "other"
    other.write_text("")
    match make:
        case "symlink":
            path.symlink_to(other)
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
    failed = run(target)
    assert (failed.size, failed.last_error) == (0, "The file cannot be written.")
    assert other.read_text() == ""


def test_a_file_outside_of_the_folder_is_not_written(target, path, tmp_path, settings):
    settings.CC_LOG_TARGET_FOLDER = ""
    assert run(target).last_error.startswith("The file may not be written.")
    assert not path.exists()
    assert LogTarget.objects.get().size == 0


def test_a_relative_folder_is_an_error(settings):
    settings.CC_LOG_TARGET_FOLDER = "log"
    [error] = check_log_target_folder()
    assert (error.id, "absolute" in error.msg) == ("ciphercanary.E021", True)
    for folder in ("", "/srv/log"):
        settings.CC_LOG_TARGET_FOLDER = folder
        assert list(check_log_target_folder()) == []
