"""Lines that no logger writes are JSON records, too, unless a person reads them."""

import json
import logging
import os
import subprocess
import sys

import pytest

from kernel import __version__
from kernel.observability import standard_error
from tests.output import records
from tests.product import ROOT

# A program that writes to standard error: a report, text of a library, a warning, and three kinds of failures.
PROGRAM = """
import logging, sys, threading, warnings
from kernel.observability import logs, standard_error
standard_error.capture(is_server=sys.argv[1] == "server")
logs.configure(level="INFO", log_format="auto", service="ciphercanary", has_traces=False)
standard_error.report("a report")
standard_error.report_from_signal_handler("a signal")
print("Error: of a", "library", file=sys.stderr)
logging.getLogger("one").info("a record")
warnings.warn("a warning")
def fail():
    raise ValueError("short-marker")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
class Unraisable:
    def __del__(self):
        fail()
Unraisable()
fail()
"""


def run(kind, **environment):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, kind],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("kind", "environment"), [("server", {}), ("command", {"LOG_FORMAT": "json"})])
def test_everything_in_a_pipe_is_a_record_without_the_text_of_exceptions(kind, environment):
    done = run(kind, **environment)
    assert done.returncode == 1
    assert done.stdout == ""
    found = records(done.stderr)
    said = [(each["log.level"], each["message"].split("\n")[0]) for each in found]
    assert said[:4] == [
        ("error", "a report"),
        ("error", "a signal"),
        ("error", "Error: of a library"),
        ("info", "a record"),
    ]
    assert said[4][0] == "warning"
    assert "a warning" in said[4][1]
    assert said[5:] == [("critical", "uncaught exception")] * 3
    assert all(
        each["error.type"] == "ValueError" and "fail" in each["error.stack_trace"] for each in found[5:]
    )
    assert {each["service.version"] for each in found} == {__version__}
    assert "short-marker" not in done.stderr


@pytest.mark.parametrize(("kind", "environment"), [("command", {}), ("server", {"LOG_FORMAT": "text"})])
def test_a_command_in_a_pipe_and_a_server_with_text_write_plain_lines(kind, environment):
    done = run(kind, **environment)
    assert done.stderr.startswith("a report\na signal\nError: of a library\n")
    assert "ValueError: short-marker" in done.stderr


def test_a_terminal_shows_text():
    reading, terminal = os.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", PROGRAM, "server"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]},
            stderr=terminal,
            check=False,
        )
        shown = os.read(reading, 100_000).decode()
    finally:
        os.close(reading)
        os.close(terminal)
    assert shown.startswith("a report\r\n")
    assert "a record" in shown
    assert '{"' not in shown


def test_a_line_is_one_record_however_it_is_written(capsys):
    stream = standard_error.JsonLines(sys.stderr)
    for piece in ("one ", "line\n\n", '{"message": "forged"}', "\n", "an unfinished one"):
        stream.write(piece)
    assert [each["message"] for each in records(capsys.readouterr().err)] == [
        "one line",
        '{"message": "forged"}',
    ]


def test_a_record_is_redacted_and_names_the_service_of_its_environment(capsys, monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "canary-service")
    standard_error.JsonLines(sys.stderr).write_record("password=hunter2", logging.ERROR)
    record = json.loads(capsys.readouterr().err)
    assert (record["message"], record["service.name"]) == ("[redacted]", "canary-service")
