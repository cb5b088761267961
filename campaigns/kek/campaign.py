"""Rotate the key-encryption key of a serving installation with many versions, and kill the rewrap again and again.

    python -m tests.services python -m campaigns.kek.campaign --versions 100000
    python -m campaigns.kek.campaign --database sqlite --versions 20000

A client encrypts, decrypts, rotates and creates keys all the time. Afterwards every stored key must open with the same
material, every MAC must hold, the log must verify, and the installation must restart without the old key. It prints the
rates and the peak memory of the command, and exits with 1 at the first difference.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, Self

from tests.output import log
from tests.product import ROOT, Product, b64
from tests.services.rights import folder_for_servers
from tests.waiting import wait_until

FILLING = "campaigns.kek.filling"
TARGETS = ("sqlite", "postgresql")
LOST_LEASE = "2"  # seconds: a worker takes over a killed run soon


@dataclass(frozen=True)
class Measured:
    """One run of ``rewrap_keys``: how many keys, in how many seconds, with how many bytes at most."""

    keys: int
    seconds: float
    memory: int

    def __str__(self) -> str:
        rate = self.keys / self.seconds
        return f"{self.keys:,} keys in {self.seconds:.1f} s ({rate:,.0f}/s), {self.memory / 1024**2:.0f} MB"


class Client:
    """Uses keys until it is stopped. Every response must succeed, and every message must open again."""

    def __init__(self, product: Product) -> None:
        self.product, self.token = product, product.token()
        self.stopped, self.problems, self.done = threading.Event(), list[str](), 0
        self.messages: list[tuple[str, bytes]] = []
        self.thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join()

    def _work(self) -> None:
        with self.product.connect() as connection:
            for number in count():
                if self.stopped.is_set() or self.problems:
                    return
                try:
                    self._round(connection, number)
                except Exception as error:  # noqa: BLE001 - reported by the campaign
                    self.problems.append(repr(error))

    def _round(self, connection: Any, number: int) -> None:
        if number % 20 == 0:
            body = {"name": f"client-{number}", "algorithm": "aes-256"}
            self.key_id = self._send(connection, "/api/v1/keys", body, 201)["id"]
        if number % 20 == 10:
            self._send(connection, f"/api/v1/keys/{self.key_id}/rotate", {"reason": "campaign"}, 201)
        plaintext = f"message {number}".encode()
        body = {"algorithm": "aes-256-gcm", "data": b64(plaintext), "key_id": self.key_id}
        sealed = self._send(connection, "/api/v1/encrypt", body, 200)["ciphertext"]
        self.messages.append((sealed, plaintext))
        self.open(connection, number * 7919 % len(self.messages))
        self.done += 1

    def open(self, connection: Any, index: int) -> None:
        sealed, plaintext = self.messages[index]
        opened = self._send(connection, "/api/v1/decrypt", {"ciphertext": sealed}, 200)
        assert opened["data"] == b64(plaintext)

    def _send(self, connection: Any, path: str, body: dict[str, str], status: int) -> Any:
        response = connection.send("POST", path, body, token=self.token)
        assert response.status == status, (path, response.status, response.content)
        return response.json


def main() -> int:
    options = parse()
    with tempfile.TemporaryDirectory(dir=folder_for_servers()) as name:
        database = "" if options.database == "sqlite" else None
        with Product(Path(name), database=database, CC_JOB_LEASE_SECONDS=LOST_LEASE) as product:
            campaign(product, options.versions, options.kills)
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", choices=TARGETS, default="postgresql")
    parser.add_argument("--versions", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=3, help="kill -9 during the first rewrap")
    return parser.parse_args()


def campaign(product: Product, versions: int, kills: int) -> None:
    """Two rotations: the first rewrap is killed and resumed, the second is measured as a whole."""
    fill(product, "add", str(versions))
    known = product.folder / "known"
    first = check(product, known)
    log(f"{first['keys']:,} stored keys under {first['under']}")
    with Client(product) as client:
        old = rotate(product)
        begun = time.monotonic()
        killed = [kill_rewrap(product, (number + 1) / (kills + 1)) for number in range(kills)]
        at_once = [start_rewrap(product) for _ in range(2)]
        assert [process.wait() for process in at_once] == [0, 0]
        log(
            f"killed at {killed} of the keys; two runs then finished after {time.monotonic() - begun:.1f} s in all"
        )
        assert outdated(product) == 0
        check(product, known)
        middle = rotate(product)
        log(f"uninterrupted: {measure_rewrap(product)}")
    assert not client.problems, client.problems
    log(f"meanwhile a client did {client.done} rounds, without an error")
    finish(product, client, known, [old, middle])


def finish(product: Product, client: Client, known: Path, retired: list[str]) -> None:
    """Retire and remove the older keys, restart, and read everything again."""
    for kek_id in retired:
        succeed(product, "retire_kek", kek_id, "--confirm", kek_id)
    product.stop()
    for kek_id in retired:
        (product.home / f"kek-{kek_id}.key").unlink()
    product.start()
    last = check(product, known)
    assert len(last["under"]) == 1, last
    succeed(product, "verify_audit_log")
    with product.connect() as connection:
        for index in range(0, len(client.messages), max(1, len(client.messages) // 200)):
            client.open(connection, index)
    log(f"{last['keys']:,} stored keys verified under {last['under']}; the log verifies")


def rotate(product: Product) -> str:
    """Rotate, and return the id of the previous key."""
    began = time.monotonic()
    rotated = json.loads(succeed(product, "rotate_kek", "--one-host", "--json"))
    log(
        f"rotated to {rotated['id']} in {time.monotonic() - began:.1f} s; {rotated['keys_to_rewrap']:,} keys to rewrap"
    )
    return str(rotated["previous"])


def kill_rewrap(product: Product, share: float) -> str:
    """Start a rewrap, and kill it as soon as this share of the keys is done. Returns the share when it was killed."""
    total = product.query("SELECT count(*) FROM key_versions")[0][0]
    process = start_rewrap(product)
    wait_until(lambda: outdated(product) <= total * (1 - share) or process.poll() is not None, seconds=1200)
    process.kill()
    process.wait()
    return f"{1 - outdated(product) / total:.0%}"


def outdated(product: Product) -> int:
    """Versions under an older key."""
    rows = "SELECT count(*) FROM key_versions WHERE kek_id NOT IN"
    return int(product.query(f"{rows} (SELECT id FROM key_encryption_keys WHERE is_primary)")[0][0])  # noqa: S608


def start_rewrap(product: Product) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "manage.py", "rewrap_keys"]
    return subprocess.Popen(command, cwd=ROOT, env=product.environment, stdout=subprocess.DEVNULL)


def measure_rewrap(product: Product) -> Measured:
    command = [sys.executable, "manage.py", "rewrap_keys", "--json"]
    process = subprocess.Popen(command, cwd=ROOT, env=product.environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as output:
        result = json.loads(output.read())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # it does not see this wait
    assert (status, result["altered"]) == (0, 0), result
    [(began, ended)] = product.query(
        "SELECT started_at, finished_at FROM encryption_operations WHERE kind = 'kek_rewrap' ORDER BY created_at DESC LIMIT 1"
    )
    seconds = (datetime.fromisoformat(str(ended)) - datetime.fromisoformat(str(began))).total_seconds()
    return Measured(result["done"], seconds, usage.ru_maxrss * 1024)


def check(product: Product, known: Path) -> dict[str, Any]:
    return dict(json.loads(fill(product, "check", str(known))))


def fill(product: Product, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", FILLING, *arguments],
        cwd=ROOT,
        env=product.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def succeed(product: Product, *arguments: str) -> str:
    done = product.manage(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
