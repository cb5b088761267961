"""Checks across nodes: one leads the log, disabled keys stay unused, and a limit applies to all together."""

import contextlib
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import psycopg

from audit.sequencing.leadership import LOCK
from campaigns.crash.load import GONE
from campaigns.nodes.cluster import Cluster
from tests.output import log
from tests.product import PASSWORD, Reply, Site

PERIOD = 0.1  # seconds between two samples
CHANGE_SECONDS = 60  # within which a change must succeed, even if another node fails
USES = 20  # of a disabled key through each other node

LEADERS = """
SELECT a.client_addr::text FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND (l.classid::bigint << 32) + l.objid::bigint = %s
"""
LAG = """
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0) FROM audit_bundles WHERE rejected_at IS NULL
"""

LIMIT, LIMIT_SECONDS = 1200, 60
HAMMER_SECONDS, HAMMERS = 20.0, 8


class Observer:
    """Samples which node leads the log, and how far the log lags, from entering the block to leaving it."""

    def __init__(self, cluster: Cluster) -> None:
        self.leaders: Counter[str] = Counter()
        self.longest_lag = 0.0
        self.is_well = True
        self._url = cluster.postgresql.url
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def __str__(self) -> str:
        leaders = ", ".join(f"{address} {count}" for address, count in sorted(self.leaders.items()))
        return f"longest lag of the log {self.longest_lag:.1f} s, samples of the leader: {leaders}"

    def _run(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._ends.wait(PERIOD):
                found = [address for (address,) in connection.execute(LEADERS, [LOCK])]
                self.is_well &= len(found) <= 1
                self.leaders.update(found)
                [[lag]] = connection.execute(LAG).fetchall()
                self.longest_lag = max(self.longest_lag, float(lag))


def stale_uses(via: Site, others: Sequence[Site], between: Callable[[], object] = lambda: None) -> list[str]:
    """Disable a key through one node, and use it through the others. Return the uses that succeeded.

    ``between`` is called when every node has the key in its caches.
    """
    token, name = via.token(), f"revoked-{uuid.uuid4().hex}"
    key_id = via.send("POST", "/api/v1/keys", {"name": name, "algorithm": "aes-256"}, token=token).json["id"]
    for node in others:
        while encrypt(node, token, key_id).status != 200:
            time.sleep(0.05)
    between()
    disable(via, token, key_id)

    def used(node: Site) -> list[str]:
        found = []
        for _ in range(USES):
            began, status = time.monotonic(), 0
            with contextlib.suppress(*GONE):
                status = encrypt(node, token, key_id).status
            found += [f"{name} was used through {node.host}"] if status == 200 else []
            if time.monotonic() - began > 1:  # a node without its database
                break
        return found

    with ThreadPoolExecutor(len(others)) as pool:
        return [line for lines in pool.map(used, others) for line in lines]


def encrypt(site: Site, token: str, key_id: str) -> Reply:
    body = {"algorithm": "aes-256-gcm", "data": "aGk=", "key_id": key_id}
    return site.send("POST", "/api/v1/encrypt", body, token=token)


def disable(via: Site, token: str, key_id: str) -> None:
    """Repeat until it succeeds: another node may hold a lock until the database notices that it is gone."""
    deadline = time.monotonic() + CHANGE_SECONDS
    while (
        response := via.send("POST", f"/api/v1/keys/{key_id}/disable", {"reason": "nodes"}, token=token)
    ).status != 200:
        assert response.status == 503, response.content
        assert time.monotonic() < deadline, "another node blocks every change"


def admitted_within_bound(cluster: Cluster) -> bool:
    """Restart the nodes with a small limit, exceed it through the proxy, and compare what was admitted."""
    cluster.stop()
    for node in cluster.nodes:
        node.environment["CC_THROTTLE_PRINCIPAL"] = f"{LIMIT}/minute"
    cluster.start()
    done = cluster.nodes[0].manage("create_user", "dora", "--role", "developer", typed=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    token = cluster.site.token("dora")
    key = {"name": "limited", "algorithm": "aes-256"}
    key_id = cluster.site.send("POST", "/api/v1/keys", key, token=token).json["id"]
    began = time.monotonic()

    def hammer(_: int) -> Counter[int]:
        seen: Counter[int] = Counter()
        body = {"algorithm": "aes-256-gcm", "data": "aGk=", "key_id": key_id}
        with cluster.site.connect() as client:
            while time.monotonic() - began < HAMMER_SECONDS:
                seen[client.send("POST", "/api/v1/encrypt", body, token=token).status] += 1
        return seen

    with ThreadPoolExecutor(HAMMERS) as pool:
        counted = sum(pool.map(hammer, range(HAMMERS)), Counter[int]())
    seconds = time.monotonic() - began
    refill = LIMIT * seconds / LIMIT_SECONDS
    bound = LIMIT + refill + max(LIMIT / 10, 4 * len(cluster.nodes))
    log(
        f"limit of {LIMIT}/minute over {len(cluster.nodes)} nodes: {counted[200]} of {counted.total()} requests in "
        f"{seconds:.0f} s admitted; exact {LIMIT + refill:.0f}, bound {bound:.0f}"
    )
    return counted[200] <= bound
