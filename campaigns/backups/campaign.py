"""Back up under load, restore into both databases, kill restores, refuse an older backup, and move a large log.

    python -m tests.services python -m campaigns.backups.campaign --database sqlite --messages 1000 --entries 100000

It prints the duration, the peak memory and the sizes of each step, and exits with 1 at the first difference.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.output import log
from tests.product import ROOT, Product, b64, drop_database, new_database
from tests.services.rights import folder_for_servers
from tests.waiting import wait_until

ALGORITHMS = {"aes-256": "aes-256-gcm", "aes-128": "aes-128-gcm", "chacha20": "chacha20-poly1305"}
FILLING = "campaigns.backups.filling"
KEYS = 10
WRITERS = 8
PROOFS = 20
TARGETS = ("sqlite", "postgresql")


class Sealed:
    """Messages that the product has encrypted, and the ids of their requests."""

    def __init__(self, product: Product) -> None:
        self.product, self.token = product, product.token()
        self.messages: list[tuple[str, bytes]] = []
        self.requests: set[str] = set()
        self.keys = [self._create(number) for number in range(KEYS)]

    def _create(self, number: int) -> tuple[str, str]:
        algorithm, mode = list(ALGORITHMS.items())[number % len(ALGORITHMS)]
        body = {"name": f"key-{number}", "algorithm": algorithm}
        created = self.product.send("POST", "/api/v1/keys", body, token=self.token)
        return created.json["id"], mode

    def encrypt(self, number: int, client: Any = None) -> None:
        key_id, mode = self.keys[number % KEYS]
        plaintext = f"message {number}".encode()
        body = {"algorithm": mode, "data": b64(plaintext), "key_id": key_id}
        response = (client or self.product).send("POST", "/api/v1/encrypt", body, token=self.token)
        assert response.status == 200, response.content
        self.messages.append((response.json["ciphertext"], plaintext))
        self.requests.add(response.headers["X-Request-ID"])

    def rotate(self) -> None:
        for key_id, _ in self.keys:
            path = f"/api/v1/keys/{key_id}/rotate"
            response = self.product.send("POST", path, {"reason": "campaign"}, token=self.token)
            assert response.status == 201, response.content

    def keep_encrypting(self, stopped: threading.Event) -> list[threading.Thread]:
        def write(first: int) -> None:
            with self.product.connect() as client:
                number = first
                while not stopped.is_set():
                    self.encrypt(number, client)
                    number += 1

        threads = [threading.Thread(target=write, args=[writer * 10**6]) for writer in range(WRITERS)]
        for thread in threads:
            thread.start()
        return threads


def main() -> int:
    options = parse()
    with tempfile.TemporaryDirectory(dir=folder_for_servers()) as name:
        folder = Path(name)
        if options.messages:
            restore_everywhere(folder, options.database, options.messages, options.kills)
        if options.entries:
            move(folder / "moving", options.entries)
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", choices=TARGETS, default="sqlite", help="of the backed-up installation")
    parser.add_argument("--messages", type=int, default=1000, help="0 leaves the restores out")
    parser.add_argument("--kills", type=int, default=5, help="killed restores into each database")
    parser.add_argument(
        "--entries", type=int, default=100_000, help="of the moved log; 0 leaves the move out"
    )
    return parser.parse_args()


# --- restores


def restore_everywhere(folder: Path, database: str, messages: int, kills: int) -> None:
    with Product(folder / "source", database="" if database == "sqlite" else None) as source:
        sealed = Sealed(source)
        for number in range(messages):
            if number == messages // 2:
                sealed.rotate()
            sealed.encrypt(number)
        manage(source, "backup", str(folder / "older"))
        known = back_up_under_load(source, sealed, folder / "backup")
        (folder / "elsewhere").mkdir()
        manage(source, "backup_kek", str(folder / "elsewhere" / "ring"))
        (folder / "anchor").write_text(manage(source, "checkpoint_audit_log"))
        source.stop()
        log(
            f"{len(sealed.messages)} messages, {len(known)} of them before the backup; {size_of(folder / 'backup')}"
        )
        for target in TARGETS:
            restore(folder, target, sealed, known, kills)
        refuse_older(folder, source)


def back_up_under_load(source: Product, sealed: Sealed, backup: Path) -> set[str]:
    """Returns the requests that were acknowledged before the backup began."""
    stopped = threading.Event()
    threads = sealed.keep_encrypting(stopped)
    enough = len(sealed.requests) + 10 * WRITERS
    wait_until(lambda: len(sealed.requests) >= enough)
    known = set(sealed.requests)
    try:
        manage(source, "backup", str(backup))
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    return known


def recorded_requests(product: Product) -> set[str]:
    """The request ids on record: one in a row, or those of a packed row (``audit.log.packed_rows``)."""
    found = set()
    for request_id, entries, details in product.query_log(
        "SELECT request_id, entries, details FROM audit_logs"
    ):
        octets = bytes(details or b"")
        found |= {octets[1 + 16 * place :][:16].hex() for place in range(entries or 0)} or {request_id}
    return found


def restore(folder: Path, target: str, sealed: Sealed, known: set[str], kills: int) -> None:
    copy = empty_product(folder, target)
    try:
        kill_restores(copy, folder / "backup", kills)
        manage(copy, "restore", str(folder / "backup"), "--verify")
        copy.start()
        stored = recorded_requests(copy)
        assert known <= stored, f"{len(known - stored)} acknowledged requests are missing"
        began, token = time.monotonic(), copy.token()
        for ciphertext, plaintext in sealed.messages:
            opened = copy.send("POST", "/api/v1/decrypt", {"ciphertext": ciphertext}, token=token)
            assert opened.json["data"] == b64(plaintext)
        log(f"  {target}: {len(sealed.messages)} messages decrypt, in {time.monotonic() - began:.1f} s")
        copy.stop()
        manage(copy, "verify_audit_log")
    finally:
        copy.kill()
        drop_database(copy.database)


def empty_product(folder: Path, target: str) -> Product:
    """An installation with the key-encryption keys, and without a database or any memory of the log."""
    database = "" if target == "sqlite" else new_database()
    copy = Product(folder / f"{target}-{random.randrange(10**6)}", database=database, is_new=True)  # noqa: S311 - a name
    shutil.copytree(folder / "elsewhere" / "ring", copy.home)
    return copy


def kill_restores(copy: Product, backup: Path, kills: int) -> None:
    """Kill restores while they load rows. Without a checkpoint from outside, each would succeed."""
    for number in range(kills):
        process = start(copy, "restore", str(backup))
        wait_until(lambda running=process: loads(copy) or running.poll() is not None, seconds=600)
        time.sleep(number * 0.3)
        assert process.poll() is None, "the restore ended before it was killed"
        process.kill()
        process.wait()
        assert tables_of(copy) == [], "a killed restore has left tables"
    log(f"  {kills} killed restores have left an empty database")


def loads(copy: Product) -> bool:
    """Whether a restore has begun to write."""
    if copy.database:
        active = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
        return bool(copy.query(f"{active} AND pid <> pg_backend_pid() AND query LIKE 'CREATE%'")[0][0])
    return copy.sqlite_file.with_name("db.sqlite3-wal").exists()


def refuse_older(folder: Path, source: Product) -> None:
    copy = empty_product(folder, "sqlite")
    older = str(folder / "older")
    manage(copy, "restore", older, "--checkpoint", str(folder / "anchor"), code=1)
    shutil.copy(source.home / "audit-head", copy.home)
    manage(copy, "restore", older, code=1)
    assert tables_of(copy) == []
    manage(copy, "restore", older, "--accept-older", "the campaign lost the newer one")
    manage(copy, "verify_audit_log")


def tables_of(product: Product) -> list[Any]:
    if product.database:
        return product.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return product.query("SELECT name FROM sqlite_master") if product.sqlite_file.exists() else []


# --- the move


def move(folder: Path, entries: int) -> None:
    target = new_database()
    with Product(folder, database="") as product:
        product.stop()
        run([sys.executable, "-m", FILLING, str(entries)], product)
        manage(product, "checkpoint_audit_log")
        manage(product, "export_audit_log", str(folder / "export"))
        product.start()
        token = product.token()
        size = product.query("SELECT size FROM audit_tree")[0][0]
        ids = [
            row[0]
            for row in product.query(
                "SELECT id FROM audit_logs WHERE id % (SELECT size / 20 FROM audit_tree) = 7"
            )
        ]
        before = {log_id: read_entry(product, log_id, token) for log_id in ids[:PROOFS]}
        product.stop()
        began = time.monotonic()
        manage(product, "copy_to_postgresql", typed=f"{target}\n")
        log(
            f"  {size} entries moved in {time.monotonic() - began:.1f} s; {product.sqlite_file.stat().st_size} bytes of SQLite"
        )
        assert product.run().returncode == 1  # with SQLite, which is older now
        product.environment["DATABASE_URL"] = product.database = target
        product.start()
        token = product.token()
        after = {log_id: read_entry(product, log_id, token)[0] for log_id in before}
        assert after == {log_id: entry for log_id, (entry, _) in before.items()}
        manage(product, "export_audit_log", str(folder / "later"))
        check_proofs(folder, before)


def read_entry(product: Product, log_id: int, token: str) -> tuple[Any, bytes]:
    """An entry, and the proof that it is in the log."""
    path = f"/api/v1/audit/logs/{log_id}"
    proof = product.send("GET", f"{path}/proof", token=token, headers={"Accept": "text/plain"})
    assert proof.status == 200, proof.content
    return product.send("GET", path, token=token).json, proof.content


def check_proofs(folder: Path, before: dict[int, tuple[Any, bytes]]) -> None:
    """Proofs and checkpoints from before the move, checked against the log after it, with the keys from before."""
    export, later = folder / "export", folder / "later"
    keys = [word for key in (export / "keys").read_text().split() for word in ("--key", key)]
    old, new = str(export / "checkpoint"), str(later / "checkpoint")
    for log_id, (_, proof) in before.items():
        (folder / f"{log_id}.tlog-proof").write_bytes(proof)
        ccverify("verify-proof", str(folder / f"{log_id}.tlog-proof"), *keys)
    ccverify("consistency", old, new, "--dir", str(later), *keys)
    ccverify("verify-export", str(later), *keys, "--checkpoint", old)
    log(
        f"  {len(before)} inclusion proofs, a consistency proof and an export verify with the keys from before"
    )


def ccverify(*arguments: str) -> None:
    run([sys.executable, str(ROOT / "bin" / "ccverify"), *arguments])


# --- measured commands


def start(product: Product, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [ROOT / "bin" / "manage", *arguments],
        env=product.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def manage(product: Product, *arguments: str, code: int = 0, typed: str = "") -> str:
    """Run a command, log its duration and peak memory, and return its output."""
    return run([str(ROOT / "bin" / "manage"), *arguments], product, code=code, typed=typed)


def run(command: list[str], product: Product | None = None, *, code: int = 0, typed: str = "") -> str:
    began = time.monotonic()
    with tempfile.TemporaryFile() as read, tempfile.TemporaryFile() as written:
        read.write(typed.encode())
        read.seek(0)
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=product.environment if product else None,
            stdin=read,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)  # unlike Popen.wait, it returns the memory
        process.returncode = os.waitstatus_to_exitcode(status)
        written.seek(0)
        output = written.read().decode()
    words = " ".join(word for word in command[1:] if not word.startswith(("/", "ciphercanary/")))
    name = f"{Path(command[0]).name} {words}"[:60]
    log(
        f"{name:<62}{time.monotonic() - began:8.1f} s {usage.ru_utime + usage.ru_stime:7.1f} s of CPU "
        f"{usage.ru_maxrss / 1024:7.0f} MiB, exit code {process.returncode}"
    )
    assert process.returncode == code, output
    return output


def size_of(folder: Path) -> str:
    return f"{sum(path.stat().st_size for path in folder.iterdir())} bytes in {len(list(folder.iterdir()))} files"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
