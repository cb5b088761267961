"""A drill with a large log: archive half of it, restore it on a new machine, verify it, find one archived decryption.

    CC_TEST_DURABLE=1 CC_TEST_SOCKET=1 python -m tests.services python -m campaigns.archiving.drill --entries 20000000

It fills the log over the fast path, one decryption first. The archiving command is killed with SIGKILL a few times.
"""

import argparse
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import load
from bench.contestant import ENCRYPT
from bench.machine import private_folder
from bench.product import CipherCanary
from campaigns.backups.campaign import manage, size_of
from tests.output import log
from tests.product import ROOT, Product, drop_database, new_database

SEGMENT = 65_536
CONNECTIONS = 256
LOAD_SECONDS = 30
KILL_SECONDS = (5, 60)
DECRYPTED = "crypto.message.decrypted"
SETTINGS = {"CC_LANE": "protocol", "CC_THROTTLE_PRINCIPAL": "1000000000/minute", "CC_EXPORT_HOURS": "2"}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=20_000_000, help="of the log (20000000)")
    parser.add_argument("--kills", type=int, default=5, help="of the archiving command (5)")
    options = parser.parse_args()
    with private_folder() as folder:
        archive = folder / "archive"
        with Product(folder / "product", CC_AUDIT_ARCHIVE=str(archive), **SETTINGS) as product:
            fill(product, options.entries)
            product.stop()
            archive_half(product, archive, options.entries // 2 // SEGMENT, options.kills)
            manage(product, "verify_audit_log")
            manage(product, "backup", str(folder / "backup"))
            (folder / "elsewhere").mkdir()
            manage(product, "backup_kek", str(folder / "elsewhere" / "ring"))
            log(f"backup: {size_of(folder / 'backup')}; archive: {size_of(archive)}")
        restore(folder)
    return 0


def fill(product: Product, entries: int) -> None:
    ours = CipherCanary("drill", product)
    product.send("POST", "/api/v1/decrypt", {"ciphertext": ours.ciphertext}, token=ours.token)
    began = time.monotonic()
    while (written := size(product)) < entries:
        found = load.run(ours.request(ENCRYPT), CONNECTIONS, LOAD_SECONDS)
        ours.settle()
        log(f"{written:>12,} entries, {found.rate:,.0f}/s, {found.errors} errors")
    log(f"{written:,} entries in {time.monotonic() - began:.0f} s; {database_size(product)}")


def archive_half(product: Product, archive: Path, segments: int, kills: int) -> None:
    """Kill the command at random moments, then interrupt it as soon as half of the log is archived."""
    chance = random.Random(segments)  # noqa: S311 - moments are no secret
    began = time.monotonic()
    for _ in range(kills):
        process = archiving(product)
        time.sleep(chance.uniform(*KILL_SECONDS))
        process.kill()
        process.wait()
        log(f"killed; {archived(product)} segments archived")
    process = archiving(product)
    wait_for(lambda: archived(product) >= segments or process.poll() is not None)
    process.terminate()
    process.wait()
    log(f"{archived(product)} segments archived, {time.monotonic() - began:.0f} s; {size_of(archive)}")
    product.query("VACUUM FULL")
    log(f"after VACUUM FULL: {database_size(product)}")


def archiving(product: Product) -> subprocess.Popen[bytes]:
    command = [ROOT / "bin" / "manage", "archive_audit_log", "--older-than", "0d"]
    return subprocess.Popen(command, env=product.environment, stdout=subprocess.DEVNULL)


def restore(folder: Path) -> None:
    """On a new machine: another folder and database, and a copy of the archive."""
    shutil.copytree(folder / "archive", folder / "copied")
    database = new_database()
    copy = Product(
        folder / "restored",
        database=database,
        is_new=True,
        CC_AUDIT_ARCHIVE=str(folder / "copied"),
        **SETTINGS,
    )
    try:
        shutil.copytree(folder / "elsewhere" / "ring", copy.home)
        manage(copy, "restore", str(folder / "backup"))
        manage(copy, "verify_audit_log", "--with-archive")
        copy.start()
        find(copy)
    finally:
        copy.kill()
        drop_database(database)


def find(product: Product) -> None:
    """The only decryption, by the name of its key and that of the person."""
    began, token = time.monotonic(), product.token()
    wanted = {"actor": "bench", "object": "bench", "action": DECRYPTED, "format": "jsonl"}
    job = product.send("POST", "/api/v1/audit/exports", wanted, token=token).json
    path = f"/api/v1/audit/exports/{job['id']}"
    wait_for(lambda: state(product, path, token)["status"] not in ("pending", "running"))
    done = state(product, path, token)
    assert done["status"] == "succeeded", done
    [entry] = product.send("GET", f"{path}/result", token=token).content.splitlines()
    log(f"found after {time.monotonic() - began:.1f} s: {entry.decode()}")


def state(product: Product, path: str, token: str) -> Any:
    return product.send("GET", path, token=token).json


def wait_for(holds: Callable[[], bool]) -> None:
    while not holds():
        time.sleep(0.2)


def archived(product: Product) -> int:
    return int(product.query("SELECT count(*) FROM audit_segments WHERE removed_at IS NOT NULL")[0][0])


def size(product: Product) -> int:
    return int(product.query("SELECT size FROM audit_tree")[0][0])


def database_size(product: Product) -> str:
    (octets,) = product.query("SELECT pg_database_size(current_database())")[0]
    return f"database of {octets / 2**30:.2f} GiB"


if __name__ == "__main__":
    sys.exit(main())
