"""A start on a data folder that is in use: by another server, or by processes that a killed one left."""

import fcntl
import os
import subprocess
import sys
import threading

import pytest

from ciphercanary.server.data_folder import locked_home
from ciphercanary.server.starting import CannotStart
from tests.output import only_error
from tests.product import ROOT, clean_environment


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "home"


def hold(folder, name):
    """Take a lock as another process would: flock(2) treats a second open file as another process."""
    folder.mkdir(exist_ok=True)
    lock = (folder / name).open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def test_a_start_waits_for_the_programs_of_a_killed_one(folder, capsys):
    left_running = hold(folder, "serve.lock")
    threading.Timer(0.3, left_running.close).start()
    with locked_home(folder, timeout=60):
        assert (folder / "secret-key").exists()
    assert "waiting up to 60 s for processes of an earlier server" in capsys.readouterr().err


def test_a_start_does_not_wait_for_ever(folder):
    with (
        hold(folder, "serve.lock"),
        pytest.raises(CannotStart, match="processes of an earlier server still use"),
    ):
        locked_home(folder, timeout=0.2).__enter__()
    assert not (folder / "secret-key").exists()


def test_a_second_server_fails_at_once(folder, capsys):
    with locked_home(folder), pytest.raises(CannotStart, match="another server is already using"):
        locked_home(folder).__enter__()
    assert capsys.readouterr().err == ""


@pytest.mark.process
def test_a_started_program_inherits_only_the_lock_of_the_programs(folder):
    with locked_home(folder) as lock:
        program = subprocess.Popen(["sleep", "60"], pass_fds=[lock.fileno()])
    try:
        with pytest.raises(CannotStart, match="processes of an earlier"):
            locked_home(folder, timeout=0).__enter__()
    finally:
        program.kill()
        program.wait()


@pytest.mark.process
def test_a_preparation_does_not_touch_a_sqlite_file_that_is_served(folder):
    with hold(folder, "supervisor.lock"):
        done = subprocess.run(
            [sys.executable, "-m", "ciphercanary.server", "prepare"],
            cwd=ROOT,
            env=clean_environment() | {"CC_HOME": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    refused = only_error(done.stderr)
    assert refused.startswith("ciphercanary-server prepare: ciphercanary.E015: another server is already")
    assert {path.name for path in folder.iterdir()} == {"supervisor.lock", "serve.lock"}


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "code", "stream"),
    [(["--help"], 0, "stdout"), (["-h"], 0, "stdout"), (["--port", "1"], 2, "stderr")],
)
def test_arguments_print_a_message_and_create_no_file(tmp_path, arguments, code, stream):
    made = {name: str(tmp_path / name) for name in ("CC_HOME", "CC_VENV")}
    done = subprocess.run(
        [ROOT / "bin" / "serve", *arguments],
        env=os.environ | made,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert "bin/serve" in getattr(done, stream)
    assert ("CC_HOME " in done.stdout) == (code == 0)
    assert done.stderr.count("\n") == (1 if code else 0)
    assert list(tmp_path.iterdir()) == []
