import pickle
import socket
import time
from subprocess import CalledProcessError

import pytest

from ciphercanary.cache import OptionalRedisCache, PlainSerializer
from tests.architecture.test_settings import settings_under
from tests.services.processes import free_port


class Trap:
    """Unpickled, it would run code in this process."""

    sprung = False

    def __reduce__(self):
        return setattr, (Trap, "sprung", True)


@pytest.fixture
def cache_at(monkeypatch):
    """A cache in a Redis at a port of this machine."""
    monkeypatch.setattr(OptionalRedisCache, "_rests_until", 0.0)
    options = {"SOCKET_CONNECT_TIMEOUT": 0.2, "SOCKET_TIMEOUT": 0.2}
    return lambda port: OptionalRedisCache(f"redis://127.0.0.1:{port}/0", {"OPTIONS": options})


def test_nothing_that_lies_in_redis_is_unpickled():
    assert PlainSerializer({}).loads(pickle.dumps(Trap())) is None
    assert not Trap.sprung


@pytest.mark.parametrize("octets", [b"[" * 100_000, b"\xff", b"", b"{"])
def test_what_is_no_json_is_nothing(octets):
    assert PlainSerializer({}).loads(octets) is None


def test_without_redis_nothing_is_found_and_nothing_kept(cache_at):
    cache = cache_at(free_port())
    assert cache.set("name", "value") is None
    assert cache.get("name") is None


def test_a_redis_that_does_not_answer_costs_one_wait_and_is_left_alone(cache_at):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        for _ in range(20):
            assert cache_at(silent.getsockname()[1]).get("name") is None
    assert 0.2 <= time.monotonic() - began < 1


@pytest.mark.parametrize("seconds", ["-1", "3601"])
def test_metadata_are_kept_for_an_hour_at_most(seconds):
    with pytest.raises(CalledProcessError) as refusal:
        settings_under({"CC_METADATA_CACHE_SECONDS": seconds})
    assert b"CC_METADATA_CACHE_SECONDS must be from 0 to 3600." in refusal.value.stderr
