"""Measures durable audit records per second: group commit against one commit per record, in one run.

    CC_TEST_DURABLE=1 .venv/bin/python -m tests.services .venv/bin/python -m bench.audit_writer

This runs on PostgreSQL; without ``tests.services``, on SQLite. The sequencer runs at the same time, as in
production.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

WRITERS = (8, 32)
ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="bench.audit_writer",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=5, help="of each load (5)")
    parser.add_argument("--repeats", type=int, default=3, help="of each load; medians are shown (3)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        os.environ |= {
            "CC_HOME": home,
            "DJANGO_SETTINGS_MODULE": "ciphercanary.settings",
            "CC_DB_POOL_MAX": str(max(WRITERS) + 8),
            "LOG_LEVEL": "ERROR",
        }
        prepare()
        sequencer = subprocess.Popen([sys.executable, ROOT / "manage.py", "run_sequencer"])
        try:
            time.sleep(3)
            run(options.seconds, options.repeats)
        finally:
            sequencer.terminate()
            sequencer.wait(60)


def prepare() -> None:
    import django

    django.setup()
    from ciphercanary.server import preparation

    preparation.prepare()


def run(seconds: float, repeats: int) -> None:
    from django.db import connection

    from audit.sequencing.lag import read_lag

    print(f"{connection.vendor}, {seconds:g} s each, median of {repeats}\n")
    print(f"{'writers':>8} {'way':<22} {'events/s':>9} {'p50 ms':>8} {'p99 ms':>8}")
    for writers in WRITERS:
        rates = {}
        for name, write in (("one commit each", write_alone), ("group commit", write_together)):
            runs = [measure(write, writers, seconds) for _ in range(repeats)]
            rate, p50, p99 = (statistics.median(column) for column in zip(*runs, strict=True))
            rates[name] = rate
            print(f"{writers:>8} {name:<22} {rate:>9,.0f} {p50:>8.2f} {p99:>8.2f}", flush=True)
        print(f"{'':>8} ratio {rates['group commit'] / rates['one commit each']:.1f}")
    began = time.monotonic()
    while (lag := read_lag()).pending and time.monotonic() - began < 120:
        time.sleep(0.5)
    print(f"\nlag {lag.seconds:.1f} s, {time.monotonic() - began:.1f} s after the last record")


def measure(write: Callable[[object], None], writers: int, seconds: float) -> tuple[float, float, float]:
    latencies: list[list[float]] = [[] for _ in range(writers)]
    ends = time.monotonic() + seconds
    threads = [threading.Thread(target=work, args=(write, ends, each)) for each in latencies]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    every = sorted(each for own in latencies for each in own)
    return len(every) / took, 1000 * every[len(every) // 2], 1000 * every[int(len(every) * 0.99)]


def work(write: Callable[[object], None], ends: float, latencies: list[float]) -> None:
    from django.db import connection

    decision = decide()
    while (began := time.monotonic()) < ends:
        write(decision)
        latencies.append(time.monotonic() - began)
    connection.close()


def decide() -> object:
    from audit.commit.decisions import Grounds, Ready
    from audit.log.events import Actor, Event
    from kernel.freshness.epoch import read_stamp

    key = "0198f3a0-0000-7000-8000-000000000001"
    event = Event(
        action="crypto.message.encrypted",
        object_type="key",
        object_id=key,
        object_version=1,
        size=64,
        meta={"algorithm": "aes-256-gcm"},
    )
    actor = Actor.anonymous("192.0.2.1", "bench/1.0", "0123456789abcdef0123456789abcdef")
    stamps = (read_stamp(f"key:{key}", "user:bench"),)
    return Ready(Grounds(event=event, actor=actor, stamps=stamps), result=b"")


def write_together(decision: object) -> None:
    from audit.commit import writer

    writer.commit(decision)  # type: ignore[arg-type]  # typed loosely, so that Django is imported late


def write_alone(decision: object) -> None:
    from audit.commit.batches import CommitBatch, Ticket
    from audit.log.numbering import Numbering

    ticket = Ticket(decision)  # type: ignore[arg-type,var-annotated]  # as above
    numbering = getattr(_own, "numbering", None) or Numbering()
    _own.numbering = numbering
    CommitBatch([ticket], numbering).write()
    ticket.future.result(0)


_own = threading.local()

if __name__ == "__main__":
    main(sys.argv[1:])
