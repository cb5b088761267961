"""ciphercanary.server.supervision with small test programs: restarts, shutdown, and the order of both."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.product import ROOT, session_of
from tests.waiting import SOON, wait_until

pytestmark = pytest.mark.process

# Writes its start and each signal to a file. ``obedient`` is "yes" (a signal ends it), "no", or "dies" (exits at once).
PROGRAM = """
import os, signal, sys, time
name, file, obedient = sys.argv[1:]
def say(what):
    with open(file, "a") as out:
        out.write(f"{name} {what} {os.getpid()} {time.monotonic()}\\n")
def end(number, _):
    say(signal.Signals(number).name)
    if obedient == "yes":
        time.sleep(0.1)
        say("ends")
        sys.exit(0)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, end)
say("begins")
if obedient == "dies":
    sys.exit(3)
while True:
    time.sleep(60)
"""
SUPERVISE = """
import json, os, sys
from ciphercanary.server.supervision import Program, run_together
programs = [Program(*each) for each in json.loads(sys.argv[1])]
responses = iter([False, False, True])  # a fourth call fails
def announce():
    with open(sys.argv[2], "a") as out:
        out.write("called ")
    return next(responses)
sys.exit(run_together(programs, os.environ, [], announce) & 0xFF)
"""


class Supervised:
    def __init__(self, folder: Path, **programs: str):
        """``programs`` maps names to their ``obedient`` argument: yes, no, dies."""
        self.file, self.announced = folder / "said", folder / "announced"
        self.file.touch()
        commands = [
            (
                name,
                [sys.executable, "-c", PROGRAM, name, str(self.file), obedient],
                0.5 if obedient == "no" else SOON,
            )
            for name, obedient in programs.items()
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, json.dumps(commands), str(self.announced)],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def said(self):
        """``(name, what)`` of each record, in order."""
        return [tuple(line.split()[:2]) for line in self.lines()]

    def lines(self):
        return self.file.read_text().splitlines()

    def pids(self, name):
        return [int(line.split()[2]) for line in self.lines() if line.startswith(f"{name} begins")]

    def times(self, name, what):
        return [float(line.split()[3]) for line in self.lines() if line.startswith(f"{name} {what}")]

    def wait_for(self, *said, times=1):
        wait_until(lambda: self.said().count(said) >= times)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        _, stderr = self.process.communicate(timeout=SOON)
        return stderr


@pytest.fixture
def supervise(tmp_path):
    started = []

    def start(**programs):
        started.append(Supervised(tmp_path, **programs))
        for name in programs:
            started[-1].wait_for(name, "begins")
        return started[-1]

    yield start
    for each in started:
        for pid in [each.process.pid, *(pid for line in each.lines() for pid in [int(line.split()[2])])]:
            if session_of(pid) == each.process.pid:
                os.kill(pid, signal.SIGKILL)
        each.process.wait()
        each.process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda n: n.name)
def test_a_signal_ends_all_of_them_each_after_the_one_that_was_started_after_it(supervise, number):
    running = supervise(first="yes", second="yes", last="yes")
    running.end(number)
    signals = {"last": "SIGINT" if number == signal.SIGINT else "SIGTERM"}
    order = [
        (name, what)
        for name in ("last", "second", "first")
        for what in (signals.get(name, "SIGTERM"), "ends")
    ]
    assert running.said()[3:] == order
    assert running.process.returncode == 0


def test_the_supervisor_announces_its_programs_until_one_success(supervise):
    running = supervise(first="yes", second="dies", last="yes")
    running.wait_for("second", "begins", times=2)  # a second and more later
    assert running.announced.read_text().split() == ["called"] * 3
    running.end()
    assert running.process.returncode == 0


def test_the_end_of_the_last_one_ends_the_others_with_its_code(supervise):
    running = supervise(first="yes", last="dies")
    running.process.communicate(timeout=SOON)
    assert running.process.returncode == 3
    assert ("first", "ends") in running.said()


def test_one_that_does_not_end_is_killed(supervise):
    running = supervise(first="yes", stubborn="no", last="yes")
    stderr = running.end()
    assert "stubborn did not end" in stderr
    assert ("first", "ends") in running.said()
    assert session_of(running.pids("stubborn")[0]) is None


def test_one_that_was_killed_is_started_again_and_the_others_are_left_alone(supervise):
    running = supervise(first="yes", second="yes", last="yes")
    os.kill(running.pids("second")[0], signal.SIGKILL)
    running.wait_for("second", "begins", times=2)
    assert [len(running.pids(name)) for name in ("first", "second", "last")] == [1, 2, 1]
    assert "second ended with code -9; it is started again in 1 s" in running.end()
    assert running.said().count(("second", "ends")) == 1


def test_a_program_that_keeps_failing_is_restarted_after_growing_pauses(supervise):
    running = supervise(failing="dies", last="yes")
    running.wait_for("failing", "begins", times=3)
    first, second, third = running.times("failing", "begins")[:3]
    assert second - first >= 1
    assert third - second >= 2
    stderr = running.end()
    for seconds in (1, 2):
        assert f"failing ended with code 3; it is started again in {seconds} s" in stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals the children of a killed parent")
def test_all_programs_end_when_the_supervisor_is_killed(supervise):
    running = supervise(first="yes", last="yes")
    running.process.kill()
    wait_until(lambda: {("first", "ends"), ("last", "ends")} <= set(running.said()))
    wait_until(lambda: not any(session_of(pid) for name in ("first", "last") for pid in running.pids(name)))


def test_ctrl_c_in_a_terminal_reaches_the_supervisor_alone(supervise):
    running = supervise(first="yes", last="yes")
    os.killpg(running.process.pid, signal.SIGINT)  # as the terminal sends it
    running.process.communicate(timeout=SOON)
    assert [said for said in running.said() if said[0] == "first"][1:] == [
        ("first", "SIGTERM"),
        ("first", "ends"),
    ]


def test_a_program_that_cannot_be_started_leaves_none_behind(tmp_path):
    programs = [("first", [sys.executable, "-c", "import time; time.sleep(60)"], 5), ("last", ["/absent"], 5)]
    done = subprocess.run(
        [sys.executable, "-c", SUPERVISE, json.dumps(programs)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SOON,
        check=False,
    )
    assert "FileNotFoundError" in done.stderr
    assert done.returncode == 1
