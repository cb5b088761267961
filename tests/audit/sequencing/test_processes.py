"""The commands as separate processes, on a data folder and a database that bin/serve has prepared."""

import base64
import contextlib
import re
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.audit.sequencing.log import listening
from tests.output import records
from tests.product import ROOT, Product, drop_database
from tests.services.postgresql import PostgreSQL
from tests.services.processes import dies_with_parent
from tests.services.rights import folder_for_servers
from tests.waiting import SOON, wait_until

pytestmark = pytest.mark.process
on_both_databases = pytest.mark.database


WRITE = """
import sys
import django
django.setup()
from django.db import transaction
from audit.log.events import Actor, Event, Source
from tests.log_entries import record
for _ in sys.stdin:
    with transaction.atomic():
        record(Event(action="test.thing.done"), Actor.system("another process", Source.COMMAND))
    print("written", flush=True)
"""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A product that has run and was stopped. Tests add to its log and stop the processes that they start."""
    product = Product(tmp_path_factory.mktemp("stopped"))
    yield product
    drop_database(product.database)


@contextlib.contextmanager
def writer(product):
    """Another process; the function that is yielded makes it write an entry."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE],
        cwd=ROOT,
        env=product.environment | {"DJANGO_SETTINGS_MODULE": "ciphercanary.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=dies_with_parent(signal.SIGTERM),  # noqa: PLW1509 - no threads are running yet
    )

    def write():
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "written\n"

    try:
        yield write
    finally:
        process.communicate()


@pytest.fixture(scope="module")
def write(stopped):
    with writer(stopped) as write:
        yield write


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


def is_sequenced_and_signed(product):
    entries = number(product, "SELECT count(*) FROM audit_logs")
    return (
        entries
        == number(product, "SELECT size FROM audit_tree")
        == number(product, "SELECT max(size) FROM audit_checkpoints")
    )


def head(product):
    size, root = (product.home / "audit-head").read_text().split()
    return int(size), base64.b64decode(root, validate=True)


@on_both_databases
def test_it_sequences_what_others_write_and_signs_the_rest_when_it_is_stopped(stopped, write):
    with sequencer(stopped, CC_DB_POOL_TIMEOUT="60") as process:
        [begun] = records(process.stderr.readline())
        said = re.fullmatch(r"the sequencer continues from entry (\d+) of the audit log", begun["message"])
        size = int(said[1])
        write()
        wait_until(lambda: is_sequenced_and_signed(stopped))
        write()
        process.terminate()
        assert process.wait(SOON) == 0

        assert (process.stdout.read(), process.stderr.read()) == ("", "")
    assert number(stopped, "SELECT size FROM audit_tree") > size
    assert is_sequenced_and_signed(stopped)
    assert head(stopped)[0] == number(stopped, "SELECT size FROM audit_tree")


def test_it_brings_checkpoints_to_its_anchors(stopped, write, tmp_path):
    with listening("tcp") as server:
        settings = {"CC_ANCHOR_FILE": str(tmp_path / "anchor"), "CC_ANCHOR_SYSLOG": server.address}
        with sequencer(stopped, **settings) as process:
            wait_until(lambda: (tmp_path / "anchor").exists() and server.received)
            write()
            process.send_signal(signal.SIGINT)
            assert process.wait(SOON) == 0
    size = number(stopped, "SELECT size FROM audit_tree")
    assert f"\n{size}\n" in (tmp_path / "anchor").read_text()
    assert sorted(stopped.query(f"SELECT anchor FROM audit_receipts WHERE size = {size}")) == [  # noqa: S608 - a number
        ("file",),
        ("syslog",),
    ]


@on_both_databases
def test_a_checkpoint_is_had_at_once_although_a_sequencer_runs(stopped, write):
    with sequencer(stopped) as process:
        process.stderr.readline()
        write()
        done = stopped.manage("checkpoint_audit_log")
        assert done.returncode == 0, done.stderr
        process.terminate()
        assert process.wait(SOON) == 0
    origin, size, _root, empty, *lines = done.stdout.split("\n")
    assert origin.startswith("ciphercanary/")
    assert (empty, len(lines), lines[-1]) == ("", 3, "")
    assert number(stopped, f"SELECT note FROM audit_checkpoints WHERE size = {size}") == done.stdout  # noqa: S608 - a number


@on_both_databases
def test_an_older_database_starts_nothing_and_its_own_one_is_signed_to_the_end(stopped, write):
    size, root = head(stopped)
    (stopped.home / "audit-head").write_text(f"{size + 500} {base64.b64encode(root).decode()}\n")
    for done in (stopped.run(), stopped.manage("run_sequencer")):
        assert done.returncode == 1
        assert done.stdout == ""
        assert f"has {size} audit log entries" in done.stderr
        assert "accept_older_database --reason" in done.stderr

    (stopped.home / "audit-head").write_text(f"{size} {base64.b64encode(root).decode()}\n")
    stopped.start()
    stopped.sign_in_to_api()
    assert stopped.stop() == 0
    assert is_sequenced_and_signed(stopped)
    assert head(stopped)[0] == number(stopped, "SELECT size FROM audit_tree") > size


@pytest.mark.postgresql
def test_it_waits_for_postgresql_at_its_start_and_after_a_restart(tmp_path):
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
        require_failure(process)
        postgresql.start()
        while "continues from entry" not in (line := process.stderr.readline()):
            assert line, "it has ended"

        postgresql.stop()
        require_failure(process)
        postgresql.start()
        with writer(product) as write:
            write()
        wait_until(lambda: is_sequenced_and_signed(product))
        process.terminate()
        assert process.wait(SOON) == 0


def require_failure(process):
    """Wait until it logs that it cannot reach the database; it continues."""
    assert select.select([process.stderr], [], [], SOON)[0]
    while "the sequencer continues after a pause" not in (line := process.stderr.readline()):
        assert line, "it has ended"
    assert process.poll() is None
