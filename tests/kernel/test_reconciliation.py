"""One budget for several processes, through a real Redis.

The meaning of "the limit": a bucket starts full, so within `t` seconds from full at most the limit plus the
refill go through, `count + count / seconds * t`. Processes together may exceed that by a tenth of the limit.
"""

import logging
import subprocess
import sys
import threading
import time
import uuid

import pytest
import redis

from kernel import runtime, throttle
from kernel.throttle.budgets import Budgets
from kernel.throttle.rates import Rate
from kernel.throttle.reconciliation import ABSENCE, AT_ONCE, Reconciliation
from tests.kernel.test_budgets import taken
from tests.product import ROOT, clean_environment
from tests.services.processes import dies_with_parent

pytestmark = pytest.mark.redis

RATE = Rate(600, 60)
SLOW = Rate(600, 86_400)  # refills nothing noticeable while a test runs
SECONDS = 1.0


@pytest.fixture
def client(redis_server):
    if redis_server.process.poll() is not None:
        redis_server.start()
    pool = redis.ConnectionPool.from_url(redis_server.url, socket_timeout=1)
    with redis.Redis.from_pool(pool) as client:  # as django-redis does; a standalone client retries
        client.flushall()
        yield client


@pytest.fixture
def process(client):
    """Simulate another process by separate budgets. The test calls ``run_once`` itself; no thread is started."""

    def make(rate=SLOW, **options):
        budgets = Budgets(rate, **options)
        return budgets, Reconciliation(budgets, client, prefix="cc", **options)

    return make


def taken_now(budgets):
    return taken(budgets, now=time.monotonic())


def left(budgets, name="ada"):
    return budgets.budget_state(name, time.monotonic()).remaining


# --- processes share their counts


def test_a_process_reads_the_amount_of_another_process_with_its_own_report(process):
    (one, one_reconciliation), (other, other_reconciliation) = process(), process()
    assert one.take("ada", 400, time.monotonic()) == 0.0
    one_reconciliation.run_once()
    assert other.take("ada", 1, time.monotonic()) == 0.0
    assert left(other) == 599
    other_reconciliation.run_once()
    assert (left(other), left(one)) == (199, 200)


def test_an_amount_that_was_given_back_is_available_to_the_others(process):
    (one, one_reconciliation), (other, other_reconciliation) = process(), process()
    one.take("ada", 400, time.monotonic())
    one_reconciliation.run_once()
    one.give_back("ada", 400)
    one_reconciliation.run_once()
    other.take("ada", 1, time.monotonic())
    other_reconciliation.run_once()
    assert left(other) == 599


def test_the_allowance_is_the_smaller_the_more_processes_there_are(process):
    (one, one_reconciliation), (_, other_reconciliation), (_, third_reconciliation) = (
        process(),
        process(),
        process(),
    )
    for reconciliation in (
        one_reconciliation,
        other_reconciliation,
        third_reconciliation,
        one_reconciliation,
    ):
        one.take("dora", 1, time.monotonic())  # otherwise there would be nothing to report
        reconciliation.run_once()
    assert taken_now(one) == 20


def test_many_principals_are_reported_in_parts(process):
    (one, one_reconciliation), (other, other_reconciliation) = process(), process()
    names = [f"user-{number}" for number in range(AT_ONCE + 2)]
    for cost, name in enumerate(names):
        one.take(name, 1 + cost % 7, time.monotonic())
        other.take(name, 1, time.monotonic())
    one_reconciliation.run_once()
    other_reconciliation.run_once()
    assert one.unreported(time.monotonic()) == other.unreported(time.monotonic()) == []
    assert [left(other, name) for name in names] == [598 - cost % 7 for cost in range(len(names))]


def test_redis_keeps_the_id_and_a_time_for_as_long_as_something_is_owed(process, client):
    budgets, reconciliation = process(RATE)
    before = time.time()
    budgets.take("ada", 60, time.monotonic())
    reconciliation.run_once()
    until = float(client.get("cc:budget:600/60s:ada"))
    assert before + 5.9 <= until <= time.time() + 6.1
    assert 0 < client.pttl("cc:budget:600/60s:ada") <= 6000
    assert set(client.keys()) == {b"cc:processes", b"cc:budget:600/60s:ada"}
    assert 0 < client.ttl("cc:processes") <= ABSENCE


def test_a_clock_of_redis_that_was_set_back_locks_no_one_out(process, client):
    client.set("cc:budget:600/60s:ada", time.time() + 3600)
    budgets, reconciliation = process(RATE)
    budgets.take("ada", 1, time.monotonic())
    reconciliation.run_once()
    assert 0 < budgets.take("ada", 1, time.monotonic()) <= RATE.seconds + 1


def test_an_outage_is_not_paid_for_afterwards(process, client):
    budgets, reconciliation = process(RATE)
    began = time.monotonic() - 3600
    for second in range(3600):
        budgets.take("ada", 10, began + second)
    reconciliation.run_once()
    assert left(budgets) > 580


# --- without Redis


def test_while_redis_is_gone_each_has_its_share_and_that_is_said_once(process, redis_server, client, caplog):
    (one, one_reconciliation), (other, other_reconciliation) = process(), process()
    for budgets, reconciliation in (
        (one, one_reconciliation),
        (other, other_reconciliation),
        (one, one_reconciliation),
    ):
        budgets.take("ada", 1, time.monotonic())
        reconciliation.run_once()
    redis_server.stop()
    with caplog.at_level(logging.WARNING):
        for budgets, reconciliation in (
            (one, one_reconciliation),
            (other, other_reconciliation),
            (one, one_reconciliation),
        ):
            budgets.take("ada", 1, time.monotonic())
            reconciliation.run_once()
    assert [record.getMessage() for record in caplog.records] == [
        "redis unavailable, counting the budgets of principals in this process"
    ] * 2
    assert 290 <= taken_now(one) <= 301
    assert 290 <= taken_now(other) <= 301
    redis_server.start()
    for reconciliation in (one_reconciliation, other_reconciliation):
        reconciliation.run_once()
    assert left(other) < 30
    one.take("ada", 1, time.monotonic())
    one_reconciliation.run_once()
    assert left(one) < 30


# --- in a thread


def test_the_thread_reports_in_time_and_at_its_end(process, client):
    (one, reconciliation), (other, other_reconciliation) = process(), process()
    reconciliation.start()
    try:
        deadline = time.monotonic() + 60
        while client.zcard("cc:processes") < 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        one.take("ada", 1, time.monotonic())
        while one.unreported(time.monotonic()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        one.take("ada", 100, time.monotonic())
    finally:
        reconciliation.close()
    assert client.zcard("cc:processes") == 0
    other.take("ada", 1, time.monotonic())
    other_reconciliation.run_once()
    assert left(other) == 498


def test_one_process_alone_can_take_everything_at_once(process, client):
    """At most a tenth is unreported; reporting keeps up with a caller that takes one request per millisecond."""
    budgets, reconciliation = process()
    reconciliation.start()
    try:
        until, got, wait = time.monotonic() + 60, 0, 0.0
        # Waits are short while a report to Redis is pending, and long when the budget is empty.
        while wait <= 1 and time.monotonic() < until:
            wait = budgets.take("ada", 1, time.monotonic())
            got += wait == 0.0
            time.sleep(0.0005)
    finally:
        reconciliation.close()
    assert SLOW.count * 0.9 <= got <= SLOW.count + 20


def test_reconciliation_requires_redis_and_ends_with_the_state_of_the_process(settings, redis_server, client):
    settings.REDIS_URL = ""
    throttle.start_reconciling()
    assert not is_reconciling()
    settings.REDIS_URL = redis_server.url
    settings.CACHES = {
        "default": {"BACKEND": "kernel.cache.FailoverRedisCache", "LOCATION": redis_server.url},
        "local": settings.CACHES["local"],
    }
    throttle.start_reconciling()
    throttle.start_reconciling()
    assert is_reconciling() == 1
    throttle.charge_principal("ada", 3000)
    runtime.fresh()
    assert not is_reconciling()
    assert client.exists("cc:budget:6000/60s:ada")
    assert throttle.budget_state("ada").remaining == 6000


def is_reconciling():
    return [thread.name for thread in threading.enumerate()].count("budgets")


# --- real processes


def hammer(redis_server, name, count, *, seconds=SECONDS, midway=lambda: None):
    """Let ``count`` one-worker processes empty a full budget; return their counts and the seconds."""
    environment = clean_environment() | {
        "DJANGO_SETTINGS_MODULE": "ciphercanary.settings",
        "REDIS_URL": redis_server.url,
        "CC_THROTTLE_PRINCIPAL": f"{RATE.count}/minute",
        "WEB_CONCURRENCY": "1",
        "LOG_LEVEL": "WARNING",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.kernel.hammering", name, str(seconds)],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=dies_with_parent(9),  # noqa: PLW1509 - no threads of ours run here
        )
        for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        began = time.monotonic()
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        midway()
        return [int(process.communicate(timeout=120)[0]) for process in processes], time.monotonic() - began
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.mark.process
def test_two_processes_that_hammer_one_budget_get_the_limit_together(redis_server, client):
    got, seconds = hammer(redis_server, "ada", 2)
    assert is_the_limit(sum(got), SECONDS, seconds)
    assert min(got) > 0


def is_the_limit(got, least, most):
    """Whether ``got`` is what RATE gives from full in ``least`` to ``most`` seconds, tolerating a tenth."""
    at_least, at_most = (RATE.count + RATE.count / RATE.seconds * seconds for seconds in (least, most))
    return 0.9 * at_least <= got <= at_most + 0.1 * RATE.count + 1


@pytest.mark.process
def test_redis_killed_midway_neither_opens_nor_closes_the_budgets(redis_server, client):
    def kill():
        time.sleep(SECONDS / 2)
        redis_server.process.kill()
        redis_server.process.wait()

    got, seconds = hammer(redis_server, uuid.uuid4().hex, 2, seconds=2 * SECONDS, midway=kill)
    assert is_the_limit(sum(got), 2 * SECONDS, seconds)
