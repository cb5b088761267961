"""A server that does not start in time is reported with its output, and ``--help`` measures nothing."""

import subprocess
import sys

import pytest

from tests.product import ROOT, Failed, Product


class Broken(Product):
    script = ""
    start_seconds = 1.0

    @property
    def command(self):
        return ["sh", "-c", self.script]


@pytest.mark.process
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo applying >&2; sleep 60", "did not respond within 1 s. The end of its output:\napplying"),
        ("exit 3", "ended with 3. The end of its output:\n(no output)"),
    ],
)
def test_a_server_that_does_not_start_is_reported_with_its_output(tmp_path, script, expected):
    server = Broken(tmp_path, database="", is_new=True)
    server.script = script
    with pytest.raises(Failed) as failure:
        server.start()
    assert str(failure.value) == f"the server {expected}"


@pytest.mark.parametrize("program", ["bench.audit_writer", "bench.audit_verification"])
def test_help_measures_nothing(program):
    done = subprocess.run(
        [sys.executable, "-m", program, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout.partition(" ")[0]) == (0, "usage:")
