"""The commands as separate processes, on a data folder and a database that bin/serve has prepared."""

import base64
import contextlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.audit.sequencing.log import listening
from tests.product import PASSWORD, ROOT, Product
from tests.services.postgresql import PostgreSQL
from tests.services.processes import dies_with_parent
from tests.services.rights import folder_for_servers

pytestmark = [pytest.mark.process, pytest.mark.database]

SOON = 60  # seconds, on a busy machine


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A product that has run and was stopped. Tests add to its log and stop the processes that they start."""
    with Product(tmp_path_factory.mktemp("stopped")) as product:
        assert product.stop() == 0
        yield product


@contextlib.contextmanager
def sequencer(product, **environment):
    """Run ``bin/manage run_sequencer``; kill it if the test has not stopped it."""
    process = subprocess.Popen(
        [ROOT / "bin" / "manage", "run_sequencer"],
        env=product.environment | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=dies_with_parent(signal.SIGTERM),  # noqa: PLW1509 - no threads are running yet
    )
    try:
        yield process
    finally:
        process.kill()
        sys.stderr.write("".join(process.communicate()))  # pytest shows it if a test fails


def number(product, statement):
    return product.query(statement)[0][0]


def write(product, name):
    done = product.manage("create_user", name, "--role", "auditor", typed=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr


def is_sequenced_and_signed(product):
    entries = number(product, "SELECT count(*) FROM audit_logs")
    return (
        entries
        == number(product, "SELECT size FROM audit_tree")
        == number(product, "SELECT max(size) FROM audit_checkpoints")
    )


def wait_until(is_reached):
    until = time.monotonic() + SOON
    while not is_reached():
        assert time.monotonic() < until
        time.sleep(0.05)


def head(product):
    size, root = (product.home / "audit-head").read_text().split()
    return int(size), base64.b64decode(root, validate=True)


def test_bin_serve_leaves_nothing_unsigned_when_it_stops(stopped):
    stopped.start()
    stopped.log_in()
    assert stopped.stop() == 0
    assert is_sequenced_and_signed(stopped)
    assert head(stopped)[0] == number(stopped, "SELECT size FROM audit_tree")


@pytest.mark.parametrize("number_", [signal.SIGTERM, signal.SIGINT])
def test_it_sequences_what_others_write_and_signs_the_rest_when_it_is_stopped(stopped, number_):
    with sequencer(stopped, CC_DB_POOL_TIMEOUT="60") as process:
        said = re.fullmatch(
            r"the sequencer continues from entry (\d+) of the audit log\n", process.stdout.readline()
        )
        size = int(said[1])
        write(stopped, f"one{number_.name.lower()}")
        wait_until(lambda: is_sequenced_and_signed(stopped))
        write(stopped, f"two{number_.name.lower()}")
        process.send_signal(number_)
        assert process.wait(SOON) == 0

        assert (process.stdout.read(), process.stderr.read()) == ("", "")
    assert number(stopped, "SELECT size FROM audit_tree") > size
    assert is_sequenced_and_signed(stopped)
    assert head(stopped)[0] == number(stopped, "SELECT size FROM audit_tree")


def test_it_brings_checkpoints_to_its_anchors(stopped, tmp_path):
    with listening("tcp") as server:
        settings = {"CC_ANCHOR_FILE": str(tmp_path / "anchor"), "CC_ANCHOR_SYSLOG": server.address}
        with sequencer(stopped, **settings) as process:
            wait_until(lambda: (tmp_path / "anchor").exists() and server.received)
            write(stopped, "anchored")
            process.terminate()
            assert process.wait(SOON) == 0
    size = number(stopped, "SELECT size FROM audit_tree")
    assert f"\n{size}\n" in (tmp_path / "anchor").read_text()
    assert sorted(stopped.query(f"SELECT anchor FROM audit_receipts WHERE size = {size}")) == [  # noqa: S608 - a number
        ("file",),
        ("syslog",),
    ]


def test_a_checkpoint_is_had_at_once_whether_or_not_a_sequencer_runs(stopped):
    write(stopped, "late")
    alone = stopped.manage("checkpoint_audit_log")
    assert alone.returncode == 0, alone.stderr
    assert is_sequenced_and_signed(stopped)
    with sequencer(stopped) as process:
        process.stdout.readline()
        write(stopped, "later")
        beside = stopped.manage("checkpoint_audit_log")
        assert beside.returncode == 0, beside.stderr
        process.terminate()
        assert process.wait(SOON) == 0
    for done in (alone, beside):
        origin, size, _root, empty, *lines = done.stdout.split("\n")
        assert origin.startswith("ciphercanary/")
        assert (empty, len(lines), lines[-1]) == ("", 3, "")
        assert number(stopped, f"SELECT note FROM audit_checkpoints WHERE size = {size}") == done.stdout  # noqa: S608 - a number


def test_keys_are_rotated_by_two_commands(stopped):
    rotated = stopped.manage("rotate_checkpoint_key")
    assert rotated.returncode == 0, rotated.stderr
    assert [line.split("+")[0].split("/")[0] for line in rotated.stdout.split()] == ["ciphercanary"] * 2
    refused = stopped.manage("rotate_checkpoint_key")
    assert refused.returncode == 1
    assert "waiting for a checkpoint" in refused.stderr

    assert stopped.manage("checkpoint_audit_log").returncode == 0
    states = stopped.query("SELECT state FROM checkpoint_keys ORDER BY state")
    assert states == [("active",), ("active",), ("retired",), ("retired",)]


def test_an_older_database_starts_only_after_an_operator_has_said_so(stopped):
    size, root = head(stopped)
    forged = f"{size + 500} {base64.b64encode(root).decode()}\n"
    (stopped.home / "audit-head").write_text(forged)

    serve, alone = stopped.run(), stopped.manage("run_sequencer")
    for done in (serve, alone):
        assert done.returncode == 1
        assert done.stdout == ""
        assert f"has {size} audit log entries" in done.stderr
        assert "accept_older_database --reason" in done.stderr
    assert stopped.manage("accept_older_database").returncode != 0  # a reason is required

    accepted = stopped.manage("accept_older_database", "--reason", "a test restored it")
    assert accepted.returncode == 0, accepted.stderr
    assert (
        accepted.stdout == f"the audit log continues from {size} entries; earlier checkpoints contradict it\n"
    )
    assert head(stopped) == (size, root)
    again = stopped.manage("accept_older_database", "--reason", "once more")
    assert again.returncode == 1
    assert "nothing to accept" in again.stderr

    stopped.start()
    assert stopped.stop() == 0
    assert is_sequenced_and_signed(stopped)


@pytest.mark.postgresql
def test_it_outlives_a_restart_of_postgresql(tmp_path):
    with (
        tempfile.TemporaryDirectory(prefix="sequencer-", dir=folder_for_servers()) as name,
        contextlib.ExitStack() as stack,
    ):
        Path(name).chmod(0o711)
        postgresql = stack.enter_context(PostgreSQL(Path(name) / "postgresql", durable=True))
        product = stack.enter_context(Product(tmp_path, database=postgresql.url))
        assert product.stop() == 0
        process = stack.enter_context(sequencer(product, CC_DB_POOL_TIMEOUT="0.3"))
        process.stdout.readline()

        postgresql.stop()
        time.sleep(2)
        assert process.poll() is None
        postgresql.start()
        write(product, "afterwards")
        wait_until(lambda: is_sequenced_and_signed(product))
        process.terminate()
        assert process.wait(SOON) == 0


@pytest.mark.postgresql
def test_it_waits_for_a_database_that_is_not_there_yet(tmp_path):
    with (
        tempfile.TemporaryDirectory(prefix="sequencer-", dir=folder_for_servers()) as name,
        contextlib.ExitStack() as stack,
    ):
        Path(name).chmod(0o711)
        postgresql = stack.enter_context(PostgreSQL(Path(name) / "postgresql", durable=True))
        product = stack.enter_context(Product(tmp_path, database=postgresql.url))
        assert product.stop() == 0
        postgresql.stop()
        process = stack.enter_context(sequencer(product, CC_DB_POOL_TIMEOUT="0.3"))
        time.sleep(2)
        assert process.poll() is None
        postgresql.start()
        assert "continues from entry" in process.stdout.readline()
        process.terminate()
        assert process.wait(SOON) == 0
