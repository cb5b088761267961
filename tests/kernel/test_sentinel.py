"""Caches and the broker follow the master that the Sentinels of a ``redis+sentinel://`` URL name."""

import ast

import kombu
import pytest

from kernel import cache as redis_caches
from kernel.cache import FailoverRedisCache, Outage
from kernel.environment.redis_urls import Sentinels
from kernel.runtime import ProcessState
from tests.architecture.test_settings import settings_under
from tests.services.redis import Redis
from tests.services.sentinel import Replica, Sentinel
from tests.waiting import wait_until

pytestmark = pytest.mark.process


@pytest.fixture
def watched(tmp_path):
    """A master, a replica and their Sentinel."""
    with (
        Redis(tmp_path / "master") as master,
        Replica(tmp_path / "replica", master) as replica,
        Sentinel(tmp_path / "sentinel", master) as sentinel,
    ):
        yield master, replica, sentinel


def test_counts_and_notifications_continue_on_the_promoted_replica(watched, monkeypatch):
    master, replica, sentinel = watched
    monkeypatch.setattr(redis_caches, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(FailoverRedisCache, "outage", ProcessState(Outage))
    described = ast.literal_eval(settings_under({"REDIS_URL": sentinel.url})["CACHES"])["default"]
    cache = FailoverRedisCache(described["LOCATION"], described)
    cache.add("before", 1)
    assert holds(master, cache, "before")
    master.process.kill()
    master.process.wait()
    assert cache.add("meanwhile", 1), "counted in this process"
    wait_until(lambda: cache.add("after", 1) and holds(replica, cache, "after"))
    url, options = Sentinels.read(sentinel.url).broker
    with kombu.Connection(url, transport_options=options) as broker:
        assert broker.default_channel.client.info("server")["process_id"] == replica.process.pid


def holds(server, cache, name):
    with server.client() as client:
        return client.exists(cache.make_key(name)) == 1
