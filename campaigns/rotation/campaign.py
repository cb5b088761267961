"""Rotate many due keys with a command that is killed and with one that is interrupted, and let a worker resume.

    python -m tests.services python -m campaigns.rotation.campaign --keys 10000

It prints the rate and the peak memory of each step, and exits with 1 at the first difference.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from campaigns.backups.campaign import manage, run, start
from tests.output import log
from tests.product import Product
from tests.services.rights import folder_for_servers
from tests.waiting import wait_until

LEASE = 5  # seconds


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keys", type=int, default=10_000)
    number = parser.parse_args().keys
    with (
        tempfile.TemporaryDirectory(dir=folder_for_servers()) as name,
        Product(Path(name) / "product", CC_JOB_LEASE_SECONDS=str(LEASE)) as product,
    ):
        product.stop()
        log(f"{number} keys, {'PostgreSQL' if product.database else 'SQLite'}")
        run([sys.executable, "-m", "campaigns.rotation.filling", str(number)], product)
        killed = start(product, "rotate_keys", "--due")
        wait_until(lambda: rotated(product) > number // 10, seconds=300)
        killed.kill()
        killed.wait()
        log(f"killed after {rotated(product)} keys; {pending(product)} are pending")
        resume(product, number // 2)
        interrupt(product, number)
        check(product, number)
    return 0


def resume(product: Product, until: int) -> None:
    """A worker takes over the job of the killed command. It is stopped, and puts the job back."""
    time.sleep(LEASE)
    began, before = time.monotonic(), rotated(product)
    worker = start(product, "run_worker")
    wait_until(lambda: rotated(product) >= until, seconds=600)
    report("the worker, which resumed", began, rotated(product) - before)
    worker.terminate()
    assert worker.wait() == 0


def interrupt(product: Product, number: int) -> None:
    """A command at the same time as the rest of the job, interrupted; then the worker ends the job."""
    began, before = time.monotonic(), rotated(product)
    worker = start(product, "run_worker")
    command = subprocess.Popen(
        ["bin/manage", "rotate_keys", "--algorithm", "aes-256", "--json"],
        env=product.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_until(lambda: rotated(product) >= min(before + number // 5, number), seconds=600)
    os.kill(command.pid, signal.SIGINT)
    output, _ = command.communicate()
    document = json.loads(output)
    log(f"the interrupted command: {document['status']}, {document['cancelled']} keys cancelled")
    wait_until(lambda: pending(product) == 0, seconds=600)
    report("worker and command at once", began, rotated(product) - before)
    worker.terminate()
    worker.wait()
    manage(product, "rotate_keys", "--due", "--json")


def check(product: Product, number: int) -> None:
    of_due = "SELECT count(*) FROM key_rotations r JOIN key_rotation_jobs j ON j.id = r.job_id WHERE j.selection = 'due'"
    twice = (
        "SELECT count(*) FROM (SELECT old_key_id, old_version FROM key_rotations WHERE status = 'completed' "
        "GROUP BY old_key_id, old_version HAVING count(*) > 1) twice"
    )
    assert product.query(f"{of_due} AND r.status = 'completed'")[0][0] == number
    assert product.query(twice)[0][0] == 0
    entries = product.query_log(
        "SELECT count(*) FROM audit_logs WHERE action = 'keys.key.rotated' AND outcome = 'ok'"
    )
    assert entries[0][0] == rotated(product)
    versions = product.query("SELECT sum(primary_version) - count(*) FROM encryption_keys")[0][0]
    assert versions == rotated(product)
    manage(product, "verify_audit_log")
    log(f"{number} due keys rotated once; {entries[0][0]} rotations, each with its entry")


def report(what: str, began: float, keys: int) -> None:
    seconds = time.monotonic() - began
    log(f"{what}: {keys} keys in {seconds:.1f} s, {keys / seconds:.0f} keys/s")


def rotated(product: Product) -> int:
    return int(product.query("SELECT count(*) FROM key_rotations WHERE status = 'completed'")[0][0])


def pending(product: Product) -> int:
    return int(product.query("SELECT count(*) FROM key_rotations WHERE status = 'pending'")[0][0])


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
