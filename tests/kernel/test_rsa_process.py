"""RSA keys of a web process: its own process for them, places, charges, and waits."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from kernel import installation, runtime, throttle
from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.errors import WrongKey
from kernel.crypto.material import KeyMaterial
from kernel.databases import lock_waits
from kernel.errors import Overloaded, Throttled
from kernel.identities import Identity
from kernel.rsa import child
from kernel.rsa import process as rsa_process
from kernel.rsa import program as rsa_program
from tests.foreign_keys import new_key, private_bytes, rsa_with_a_composite_factor
from tests.waiting import wait_until

COST = rsa_process.GENERATION_COST["rsa-3072"]


@pytest.fixture
def payer(settings):
    settings.CC_THROTTLE_PRINCIPAL = "600/day"  # no minute between two readings adds a request
    runtime.forget_settings()
    return Identity.user(uuid4())


@pytest.fixture(scope="module")
def process():
    """The RSA process of a web process with eight threads: two places."""
    rsa_process.begin(8)
    yield rsa_process._state.current.process
    rsa_process._state.drop()


def left(payer):
    return throttle.budget_state(payer.budget).remaining


def request(algorithm, payer):
    """Generate a key as a request does, for which the interface has charged one."""
    throttle.charge_principal(payer.budget)
    return rsa_process.generate(algorithm, payer)


def pid_of(process):
    return process._running()._process.pid


def stopped(process):
    """The id of its process, which is stopped."""
    pid = pid_of(process)
    os.kill(pid, signal.SIGSTOP)
    return pid


def is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # one that has ended, until its new parent reads its exit status


def test_an_rsa_key_is_generated_in_another_process_and_charged(process, payer):
    before, pid = left(payer), pid_of(process)
    material, public_key = request("rsa-3072", payer)
    loaded = key_pairs.load_private("rsa-3072", material)
    assert key_pairs.encode_public("rsa-3072", loaded.public_key()) == public_key
    assert left(payer) == before - COST
    assert request("rsa-3072", payer)[1] != public_key
    assert pid_of(process) == pid != os.getpid()


def test_primes_are_tested_there_too(process, payer):
    good, bad = (
        KeyMaterial(private_bytes(key)) for key in (new_key("rsa-2048"), rsa_with_a_composite_factor())
    )
    before = left(payer)
    throttle.charge_principal(payer.budget)
    rsa_process.check("rsa-2048", good, payer)
    assert left(payer) == before - rsa_process.CHECK_COST["rsa-2048"]
    with pytest.raises(WrongKey):
        rsa_process.check("rsa-2048", bad, payer)


def test_without_a_place_the_refusal_comes_at_once_and_costs_one_request(process, payer):
    before, pid = left(payer), stopped(process)
    with ExitStack() as places:
        for _ in range(2):  # a quarter of eight threads
            places.enter_context(process.place())
        with pytest.raises(Overloaded):
            request("rsa-3072", payer)
        assert left(payer) == before - 1
        assert request("ed25519", payer)  # of other keys, there are as many as ever
    os.kill(pid, signal.SIGCONT)
    assert request("rsa-3072", payer)


@pytest.mark.parametrize(("threads", "places"), [(1, 1), (7, 1), (8, 2), (33, 8)])
def test_a_quarter_of_the_threads_may_wait_and_at_least_one(threads, places):
    assert rsa_process.places_of(threads) == places


def test_a_refusal_by_the_budget_keeps_no_place(process, payer):
    stopped(process)
    throttle.charge_principal(payer.budget, 600 - COST + 1)
    for _ in range(3):
        with pytest.raises(Throttled):
            request("rsa-3072", payer)
    assert left(payer) == COST - 1 - 3
    os.kill(pid_of(process), signal.SIGCONT)


@pytest.mark.parametrize("rate", ["100/hour", "10/minute"])
def test_a_budget_below_the_cost_admits_one_key_and_pays_it_off(process, payer, settings, rate):
    settings.CC_THROTTLE_PRINCIPAL = rate
    runtime.forget_settings()
    assert request("rsa-3072", payer)
    with pytest.raises(Throttled):
        request("rsa-3072", payer)


def test_a_process_that_has_ended_is_replaced(process, payer):
    os.kill(pid := pid_of(process), signal.SIGKILL)
    wait_until(lambda: process._child.has_ended)
    assert request("rsa-3072", payer)
    assert pid_of(process) != pid


def test_a_process_that_does_not_respond_is_replaced_and_its_request_costs_little(
    process, payer, monkeypatch
):
    before, pid = left(payer), stopped(process)
    monkeypatch.setattr(child, "REPLY_SECONDS", 0.05)
    with pytest.raises(Overloaded):
        request("rsa-3072", payer)
    assert left(payer) == before - 1
    assert not is_running(pid)
    monkeypatch.undo()
    assert request("rsa-3072", payer)


def test_a_wait_for_the_turn_ends_in_time_and_costs_little(process, payer, monkeypatch):
    monkeypatch.setattr(child, "TURN_SECONDS", 0.05)
    before = left(payer)
    with process._turn, pytest.raises(Overloaded):
        request("rsa-3072", payer)
    assert left(payer) == before - 1


def test_the_program_runs_our_code_without_the_secrets_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CC_KEK", "not-to-be-seen")
    running = child.Child()
    try:
        assert running.ask(rsa_program.CHECK + b"no key") == rsa_program.INVALID  # it has started
        process = Path(f"/proc/{running._process.pid}")
        assert (process / "cwd").readlink() == installation.ROOT
        assert b"not-to-be-seen" not in (process / "environ").read_bytes()
    finally:
        running.kill()


def test_the_time_of_a_generation_is_not_a_wait_for_the_database(process, payer):
    pid = stopped(process)
    threading.Timer(0.3, os.kill, (pid, signal.SIGCONT)).start()
    with lock_waits.waiting_until(time.monotonic() + 0.2):
        before = lock_waits.deadline()
        request("rsa-3072", payer)
        assert before + 0.3 < time.monotonic() + lock_waits.LEAST
        assert time.monotonic() < lock_waits.deadline()
        assert lock_waits.deadline() - before > 0.25


def test_without_requests_nothing_is_limited_or_charged(payer, monkeypatch):
    monkeypatch.setattr(rsa_process._state.current, "process", None)
    before = left(payer)
    assert rsa_process.generate("rsa-3072", payer)
    with pytest.raises(WrongKey):
        rsa_process.check("rsa-2048", KeyMaterial(private_bytes(rsa_with_a_composite_factor())), payer)
    assert left(payer) == before


PARENT = """
import sys
import threading
from kernel.rsa.child import Child
child = Child()
child.ask(b"generate rsa-3072")
print(child._process.pid, flush=True)
sys.stdin.readline()
print(len(child.ask(b"generate rsa-3072")), flush=True)
threading.Thread(target=child.ask, args=(b"generate rsa-4096",), daemon=True).start()
sys.stdin.read()
"""


@pytest.mark.process
def test_the_process_ends_with_its_parent_and_not_with_a_signal():
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        pid = int(parent.stdout.readline())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(pid, number)
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert int(parent.stdout.readline()) > 1000  # it still replies
        parent.kill()
        parent.wait()
    wait_until(lambda: not is_running(pid))
