"""Break a dependency of the running server, and compare the answers with the promises in docs/operations.md.

    python -m tests.outages.campaign --database sqlite --faults lock,disk,sequencer

For each fault it prints the time, status and code of the answers to an encryption over the fast path, one
over Django, a sign-in and a change, several of each at once, then the answers of the probes and their times,
and the time of the recovery. It exits 1 if an answer is unexpected or if the server does not recover.
``--database postgresql`` starts servers of its own. ``disk`` mounts a small tmpfs, so it needs root.
"""

import argparse
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psycopg

from tests.output import log
from tests.product import ADMIN, PASSWORD, Product
from tests.services.postgresql import PostgreSQL
from tests.services.rights import folder_for_servers

TIMEOUT = 130  # seconds for one answer
RECOVERY_SECONDS = 90
LAG_LIMIT = 4  # seconds
AT_ONCE = 4  # requests of each kind
EPOCH_LOCK = int.from_bytes(b"cc-epoch")
PROBES = ("/health", "/readyz", "/metrics", "/livez")


@dataclass(frozen=True)
class Seen:
    seconds: float
    status: int
    code: str

    @property
    def answer(self) -> str:
        return f"{self.status} {self.code}".rstrip()

    def __str__(self) -> str:
        return f"{self.answer} {self.seconds:.2f} s"


@dataclass
class Target:
    """A running server, and a key and a token of its administrator."""

    product: Product
    postgresql: PostgreSQL | None
    token: str = ""
    key: str = ""

    def prepare(self) -> None:
        self.token = self.product.token()
        body = {"name": "outage", "algorithm": "aes-256"}
        self.key = self.product.send("POST", "/api/v1/keys", body, token=self.token).json["id"]
        assert self.encrypt().status == 200

    def send(self, method: str, path: str, body: object = None) -> Seen:
        began = time.monotonic()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        connection = HTTPConnection("127.0.0.1", self.product.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            kind, content = answer.headers.get_content_type(), answer.read()
        except (OSError, HTTPException) as error:
            return Seen(time.monotonic() - began, 0, type(error).__name__)
        finally:
            connection.close()
        code = kind
        if kind.endswith("json"):
            found = json.loads(content)
            code = found.get("code") or found.get("status") or ""
            bad = [name for name, word in found.get("services", {}).items() if word not in WELL]
            code += f" ({', '.join(bad)})" if bad else ""
        elif path == "/readyz":
            code = content.decode().strip()
        return Seen(time.monotonic() - began, answer.status, str(code))

    def encrypt(self, query: str = "") -> Seen:
        body = {"algorithm": "aes-256-gcm", "data": "aGk=", "key_id": self.key}
        return self.send("POST", f"/api/v1/encrypt{query}", body)

    def log_in(self) -> Seen:
        return self.send("POST", "/auth/login", {"username": ADMIN, "password": PASSWORD})

    def change(self) -> Seen:
        return self.send("PATCH", f"/api/v1/keys/{self.key}", {"description": str(time.monotonic_ns())})


WELL = {"healthy", "not_configured"}
KINDS: dict[str, Callable[[Target], Seen]] = {
    "encrypt, fast": Target.encrypt,
    "encrypt, REST": lambda target: target.encrypt("?"),
    "login": Target.log_in,
    "change": Target.change,
}

# Answers of each request kind and of the probes; in /health also the unhealthy services.
REFUSED = {"503 audit_unavailable"}
THROTTLED = {"429 throttled"}  # if one user signs in several times at once
READY, NOT_READY = {"200 ready"}, {"503 not ready: database, migrations, key_encryption_key"}
LOCKED = {"encrypt, fast": REFUSED, "encrypt, REST": REFUSED, "login": REFUSED | THROTTLED, "change": REFUSED}
NO_DATABASE = "503 unhealthy (database, audit, key_encryption_key, sequencer, audit_alarms)"
EXPECTED: dict[str, dict[str, set[str]]] = {
    # The sequencer reads the table that PostgreSQL locks.
    "lock": LOCKED
    | {"/readyz": READY, "/health": {"503 unhealthy (audit)", "503 unhealthy (audit, sequencer)"}},
    "epoch": LOCKED | {"login": {"200"} | THROTTLED, "/readyz": READY, "/health": {"503 unhealthy (audit)"}},
    "disk": LOCKED
    | {"/readyz": READY, "/health": {"503 unhealthy (audit)", "503 unhealthy (audit, sequencer)"}},
    "sequencer": {
        "encrypt, fast": REFUSED,
        "encrypt, REST": REFUSED,
        "login": {"200"} | THROTTLED,
        "change": {"200 active"},
        "/readyz": READY,
        "/health": {"503 unhealthy (audit, sequencer)"},
    },
    "stop": LOCKED | {"/readyz": NOT_READY, "/health": {NO_DATABASE}},
    "hang": {"/readyz": NOT_READY, "/health": {NO_DATABASE}},
}
ALWAYS = {"/livez": {"200 text/plain"}, "/metrics": {"200 text/plain"}}


# --- the faults: each ends with its block


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
    """The database accepts connections and answers nothing."""
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


FAULTS = {
    "lock": foreign_lock,
    "epoch": epoch_lock,
    "disk": full_disk,
    "sequencer": stopped_sequencer,
    "stop": stopped_database,
    "hang": hanging_database,
}
OF_DATABASE = {
    "sqlite": ("lock", "disk", "sequencer"),
    "postgresql": ("lock", "epoch", "disk", "sequencer", "stop", "hang"),
}


def main() -> int:
    """Return 0 if every answer is an expected one and the server recovers from each fault."""
    options = parse()
    is_well = True
    for fault in options.faults:
        with contextlib.ExitStack() as stack:
            environment = {"CC_AUDIT_LAG_LIMIT": str(LAG_LIMIT)} if fault == "sequencer" else {}
            target = start(stack, options.database, environment, on_small_disk=fault == "disk")
            log(f"\n{options.database}, {fault}")
            with FAULTS[fault](target):
                is_well &= observe(target, EXPECTED[fault] | ALWAYS, is_hanging=fault == "hang")
            seconds = recovery(target)
            is_well &= seconds is not None
            log(
                f"  NOT recovered in {RECOVERY_SECONDS} s"
                if seconds is None
                else f"  recovered after {seconds:.1f} s"
            )
    return 0 if is_well else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", choices=OF_DATABASE, default="sqlite")
    parser.add_argument("--faults", default="", help=f"comma-separated, of {', '.join(FAULTS)}")
    options = parser.parse_args()
    options.faults = options.faults.split(",") if options.faults else OF_DATABASE[options.database]
    if unknown := set(options.faults) - set(FAULTS):
        parser.error(f"unknown faults: {', '.join(sorted(unknown))}")
    return options


def start(
    stack: contextlib.ExitStack, database: str, environment: dict[str, str], *, on_small_disk: bool
) -> Target:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder_for_servers())))
    folder.chmod(0o711)
    disk = folder / ("disk" if database == "postgresql" else "product/home")
    disk.mkdir(parents=True, mode=0o711)
    if on_small_disk:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192m,mode=711", "tmpfs", disk], check=True)
        stack.callback(subprocess.run, ["umount", "--lazy", disk], check=True)
    postgresql = None
    if database == "postgresql":
        postgresql = stack.enter_context(PostgreSQL(disk / "postgresql", durable=True))
    url = postgresql.url if postgresql else ""
    product = Product(folder / "product", database=url, redis=False, **environment)
    stack.enter_context(product)
    target = Target(product, postgresql)
    target.prepare()
    return target


class Requests(ThreadPoolExecutor):
    """A pool that does not wait for its threads: a hanging database answers only after its fault is over."""

    def close(self) -> None:
        self.shutdown(wait=False)


def observe(target: Target, expected: dict[str, set[str]], *, is_hanging: bool) -> bool:
    """Send everything at once and print the slowest answer of each kind; return whether all are expected.

    While the database hangs only the probes answer, so only they are compared.
    """
    seen: list[tuple[str, list[Seen]]] = []
    with contextlib.closing(Requests(len(KINDS) * AT_ONCE + len(PROBES))) as pool:
        requests = [(name, pool.submit(ask, target)) for _ in range(AT_ONCE) for name, ask in KINDS.items()]
        time.sleep(1.2)  # probe results from before the fault have expired
        probes = [(path, pool.submit(target.send, "GET", path)) for path in PROBES]
        seen += [(path, [answer.result()]) for path, answer in probes]
        if not is_hanging:
            seen += [
                (name, [answer.result() for other, answer in requests if other == name]) for name in KINDS
            ]
            seen.append(("/health", [target.send("GET", "/health")]))
    results = [is_expected(name, answers, expected[name]) for name, answers in seen]
    return all(results)


def is_expected(name: str, answers: list[Seen], expected: set[str]) -> bool:
    """Print one line."""
    codes = {seen.answer for seen in answers}
    wrong = "" if codes <= expected else f"  NOT EXPECTED: {' or '.join(sorted(expected))}"
    log(
        f"  {name:14} {' or '.join(sorted(codes))} within {max(seen.seconds for seen in answers):.2f} s{wrong}"
    )
    return codes <= expected


def recovery(target: Target) -> float | None:
    """The seconds until the recovery, or None if it took too long."""
    began = time.monotonic()
    while time.monotonic() - began < RECOVERY_SECONDS:
        if target.encrypt().status == 200 and target.send("GET", "/health").code == "healthy":
            return time.monotonic() - began
        time.sleep(0.2)
    return None


if __name__ == "__main__":
    sys.exit(main())
