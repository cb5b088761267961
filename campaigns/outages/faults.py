"""The faults. Each begins when its block is entered, and has ended when the block is left."""

import contextlib
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg

from campaigns.crash.campaign import PARTS, restart, running
from campaigns.outages.target import Target
from tests.services.postgresql import PostgreSQL
from tests.waiting import wait_until

LAG_LIMIT = 4  # seconds
JOB_SECONDS = 240  # bin/serve waits up to 30 before it restarts a worker that dies repeatedly
EPOCH_LOCK = int.from_bytes(b"cc-epoch")
HOUR = 3600  # seconds: longer than the life of an access token and of an idle browser session

type Fault = Callable[[Target], AbstractContextManager[None]]


@contextlib.contextmanager
def foreign_lock(target: Target) -> Iterator[None]:
    """Another session has begun to write, and does not end."""
    if target.postgresql:
        with psycopg.connect(target.product.database) as holder:
            holder.execute("LOCK TABLE audit_logs IN ACCESS EXCLUSIVE MODE")
            yield
            holder.rollback()
        return
    with contextlib.closing(sqlite3.connect(target.product.sqlite_file, timeout=20, autocommit=True)) as file:
        file.execute("BEGIN IMMEDIATE")
        yield
        file.execute("ROLLBACK")


@contextlib.contextmanager
def epoch_lock(target: Target) -> Iterator[None]:
    """PostgreSQL: a change that never commits."""
    with psycopg.connect(target.product.database) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", [EPOCH_LOCK])
        yield
        holder.rollback()


@contextlib.contextmanager
def full_disk(target: Target) -> Iterator[None]:
    """The disk of the database is full."""
    folder = target.postgresql.folder if target.postgresql else target.product.home
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1024**2, 4096, 512):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size):
                    pass
    # The database may still have room in files that it has allocated.
    deadline = time.monotonic() + 60
    while target.encrypt().status == 200 and time.monotonic() < deadline:
        pass
    try:
        yield
    finally:
        filler.unlink()
        # It ends if it cannot recover on the full disk. A service manager would start it again.
        if target.postgresql and target.postgresql.process and target.postgresql.process.poll() is not None:
            restart(target.postgresql)


@contextlib.contextmanager
def stopped_sequencer(target: Target) -> Iterator[None]:
    """Stop the sequencer for longer than the permitted lag."""
    [pid] = target.product.processes_of("run_sequencer")
    for _ in range(10):
        os.kill(pid, signal.SIGSTOP)
        if target.change().status == 200:
            break
        os.kill(pid, signal.SIGCONT)  # it was stopped while it held a lock of the database
        time.sleep(1)
    time.sleep(LAG_LIMIT + 2)
    yield
    os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def stopped_database(target: Target) -> Iterator[None]:
    """The database refuses connections."""
    assert target.postgresql
    target.postgresql.stop()
    yield
    target.postgresql.start()


@contextlib.contextmanager
def hanging_database(target: Target) -> Iterator[None]:
    """The database accepts connections and never responds."""
    assert target.postgresql
    assert target.postgresql.process
    main = target.postgresql.process.pid
    children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
    pids = [main, *map(int, children)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def lost_standby(target: Target) -> Iterator[None]:
    """PostgreSQL waits in each COMMIT for a synchronous standby, and there is none."""
    _postgresql(target).require_standby("*")
    try:
        # Each web process has noticed it.
        wait_until(lambda: all(target.send("GET", "/readyz").status == 503 for _ in range(8)))
        yield
    finally:
        _postgresql(target).require_standby("")


@contextlib.contextmanager
def killed_database(target: Target) -> Iterator[None]:
    """``kill -9`` of PostgreSQL, which must recover from its log afterwards."""
    postgresql = _postgresql(target)
    assert postgresql.process
    postgresql.process.kill()
    postgresql.process.wait()
    yield
    restart(postgresql)


@contextlib.contextmanager
def restarted_database(target: Target) -> Iterator[None]:
    """A fast shutdown of PostgreSQL, and its start."""
    _postgresql(target).stop()
    restart(_postgresql(target))
    yield


@contextlib.contextmanager
def used_up_connections(target: Target) -> Iterator[None]:
    """Other clients have every connection of PostgreSQL, and the server loses its own."""
    postgresql = _postgresql(target)
    ends = threading.Event()
    thread = threading.Thread(target=_take_connections, args=[postgresql.url_of("postgres"), ends])
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def _take_connections(url: str, ends: threading.Event) -> None:
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(psycopg.connect(url, autocommit=True))
        while not ends.is_set():
            with contextlib.suppress(psycopg.OperationalError):
                while True:
                    stack.enter_context(psycopg.connect(url, autocommit=True))
            first.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname IS NOT NULL AND datname <> 'postgres'"
            )


@contextlib.contextmanager
def killed_redis(target: Target) -> Iterator[None]:
    """``kill -9`` of Redis, which forgets everything."""
    assert target.redis
    assert target.redis.process
    target.redis.process.kill()
    target.redis.process.wait()
    yield
    target.redis.start()


@contextlib.contextmanager
def emptied_redis(target: Target) -> Iterator[None]:
    """``FLUSHALL``."""
    assert target.redis
    target.redis.client().flushall()
    yield


@contextlib.contextmanager
def paused_redis(target: Target) -> Iterator[None]:
    """Redis accepts connections and never responds."""
    assert target.redis
    assert target.redis.process
    target.redis.process.send_signal(signal.SIGSTOP)
    yield
    target.redis.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def killed_worker(target: Target) -> Iterator[None]:
    """``kill -9`` of the worker in the middle of an export. The block ends when another worker has finished it."""
    for _ in range(5):  # a fast worker may finish before it is killed
        workers, job = running(target.product, PARTS["worker"]), target.export()
        wait_until(lambda job=job: target.status_of(job) != "pending", JOB_SECONDS)
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        if target.status_of(job) == "running":
            break
    yield
    wait_until(lambda: target.status_of(job) == "succeeded", JOB_SECONDS)


@contextlib.contextmanager
def clock_ahead(target: Target) -> Iterator[None]:
    """A clock is an hour fast, and is then set back."""
    with _moved(target, HOUR):
        yield


@contextlib.contextmanager
def clock_behind(target: Target) -> Iterator[None]:
    """A clock is an hour slow, and is then set forward."""
    with _moved(target, -HOUR):
        yield


@contextlib.contextmanager
def _moved(target: Target, seconds: int) -> Iterator[None]:
    assert target.clock
    target.clock.move(seconds)
    yield
    target.clock.move(0)


def _postgresql(target: Target) -> PostgreSQL:
    assert target.postgresql
    return target.postgresql
