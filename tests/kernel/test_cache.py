import pickle
import socket
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from itertools import islice
from subprocess import CalledProcessError

import pytest

from kernel import cache as redis_caches
from kernel.cache import FailoverRedisCache, OptionalRedisCache, Outage, PlainSerializer
from kernel.runtime import ProcessState
from tests.architecture.test_settings import settings_under
from tests.services.processes import free_port


class Trap:
    """If unpickled, it would run code in this process."""

    sprung = False

    def __reduce__(self):
        return setattr, (Trap, "sprung", True)


@pytest.fixture
def cache_at(monkeypatch):
    """A cache in a Redis at a port of this machine."""
    monkeypatch.setattr(redis_caches, "RETRY_SECONDS", 60.0)
    for kind in (OptionalRedisCache, FailoverRedisCache):
        monkeypatch.setattr(kind, "outage", ProcessState(Outage))

    def make(port, kind=OptionalRedisCache, timeout=5.0):
        options = {"SOCKET_CONNECT_TIMEOUT": timeout, "SOCKET_TIMEOUT": timeout}
        return kind(f"redis://127.0.0.1:{port}/0", {"OPTIONS": options})

    return make


@pytest.fixture
def counts(redis_server, cache_at):
    """The cache of the rates, in a Redis that a test stops and starts."""
    if redis_server.process.poll() is not None:
        redis_server.start()
    cache = cache_at(redis_server.port, FailoverRedisCache)
    cache.clear()
    return cache


def lies_in_redis(cache, name):
    return cache.client.get_client().exists(cache.client.make_key(name)) == 1


def warnings_in(caplog):
    return [record.message for record in caplog.records if record.name == redis_caches.__name__]


def test_a_value_in_redis_is_never_unpickled():
    assert PlainSerializer({}).loads(pickle.dumps(Trap())) is None
    assert not Trap.sprung


@pytest.mark.parametrize("octets", [b"[" * 100_000, b"\xff", b"", b"{"])
def test_invalid_json_is_read_as_none(octets):
    assert PlainSerializer({}).loads(octets) is None


def test_without_redis_nothing_is_found_and_nothing_kept(cache_at):
    cache = cache_at(free_port())
    assert cache.set("name", "value") is None
    assert cache.get("name") is None


def test_a_redis_that_does_not_respond_costs_one_wait_and_is_left_alone(cache_at):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for _ in range(20):
            assert cache_at(silent.getsockname()[1], timeout=0.2).get("name") is None
        assert connections_to(silent) == 1


def connections_to(server):
    """The number of connections made to the server, none of which has been accepted."""
    server.setblocking(False)
    made = 0
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            made += 1
    return made


@pytest.mark.redis
def test_an_outage_is_logged_once_and_the_next_one_again(redis_server, counts, monkeypatch, caplog):
    monkeypatch.setattr(redis_caches, "RETRY_SECONDS", 0.05)
    for outages in (1, 2):
        redis_server.stop()
        until = time.monotonic() + 0.3  # several retry intervals
        while time.monotonic() < until:
            counts.add(f"{redis_server.port}-during-{outages}", 1)
        assert warnings_in(caplog) == ["redis unavailable, counting in this process"] * outages
        redis_server.start()
        time.sleep(0.06)
        counts.add(f"{redis_server.port}-after-{outages}", 1)
        assert lies_in_redis(counts, f"{redis_server.port}-after-{outages}")


@pytest.mark.redis
def test_a_redis_that_came_back_is_asked_after_a_rest_and_not_before(redis_server, counts):
    redis_server.stop()
    name = f"{redis_server.port}-resting"
    assert counts.add(name, 1)
    redis_server.start()
    assert counts.incr(name) == 2, "counted in this process"
    assert not lies_in_redis(counts, name)
    counts.outage.current._retry_at = 0.0
    assert counts.add(name, 1)
    assert lies_in_redis(counts, name)


@pytest.mark.redis
def test_a_count_that_begins_in_one_place_goes_on_in_the_other(redis_server, counts):
    """django-ratelimit adds, then increments; an error in between would cause a refusal."""
    name = f"{redis_server.port}-between"
    counts.add(name, 4)
    redis_server.stop()
    assert [counts.incr(name), counts.incr(name)] == [1, 2]
    redis_server.start()
    FailoverRedisCache.outage.drop()  # the retry interval is over
    assert [counts.incr(name), counts.incr(name)] == [1, 2]
    assert lies_in_redis(counts, name)


def test_one_of_many_requests_waits_for_a_silent_redis(cache_at):
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(8) as threads:
        port = silent.getsockname()[1]
        cache_at(port, FailoverRedisCache, timeout=0.2).add("first", 1)
        cache = cache_at(port, FailoverRedisCache, timeout=60.0)
        cache.outage.current._retry_at = 0.0
        asked = [threads.submit(cache.get, "anything") for _ in range(8)]
        list(islice(as_completed(asked, timeout=30), 7))  # seven do not wait,
        assert [each.done() for each in asked].count(False) == 1  # one does,
        assert connections_to(silent) == 2  # and this releases it


@pytest.mark.parametrize(
    ("variable", "most"), [("CC_METADATA_CACHE_SECONDS", 3600), ("CC_LOG_VERIFICATION_HOURS", 8760)]
)
def test_times_beyond_their_bounds_are_refused(variable, most):
    for value in (-1, most + 1):
        with pytest.raises(CalledProcessError) as refusal:
            settings_under({variable: str(value)})
        assert f"{variable} must be from 0 to {most}.".encode() in refusal.value.stderr
