"""Revoke rights while other processes use them from memory: no response may leave after the acknowledgement.

    python -m campaigns.revocation.campaign --rounds 1000

runs on SQLite; inside ``python -m tests.services`` (or with DATABASE_URL) on PostgreSQL. The rounds take turns with
the kinds of ``campaigns.revocation.rights``; ``--only`` chooses some. The timestamp of an entry was already past when its
own transaction checked it while holding the epoch, by a millisecond or two.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from tests.product import (
    POSTGRESQL_URL,
    ROOT,
    clean_environment,
    continue_from,
    drop_database,
    new_database,
    prepared,
)

if TYPE_CHECKING:
    from campaigns.revocation.rights import Caller, Kind

CLIENTS = 2
A_WHILE = 0.05  # seconds of load before a change and after it
LOAD_SECONDS = 10.0


@dataclass
class Findings:
    """The results of the rounds, by kind."""

    waits: dict[str, list[float]] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)
    idle: Counter[str] = field(default_factory=Counter)
    sealed: int = 0
    refused: int = 0
    stored: int = 0

    def unshown(self) -> list[str]:
        """The kinds whose changes mostly found no load. A short lifetime may end before a busy machine uses it."""
        from campaigns.revocation.rights import KINDS  # noqa: PLC0415 - models need a set-up Django

        changes = [name for name in self.waits if KINDS[name].change is not None]
        return [name for name in changes if self.idle[name] * 2 > len(self.waits[name])]


PATHS = {"engine": "campaigns.revocation.client", "fast-path": "campaigns.revocation.fast_path_client"}


class Client:
    def __init__(self, environment: dict[str, str], path: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", PATHS[path]],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def order(self, caller: "Caller") -> None:
        order = {
            "token": caller.token,
            "key_id": str(caller.key.id),
            "mode": caller.mode,
            "ciphertext": caller.ciphertext,
        }
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def wait(self) -> None:
        assert self.process.stdout.readline() == "ready\n"

    def end(self) -> dict[str, int]:
        """End the client; return its counts."""
        out, _ = self.process.communicate(timeout=60)
        return json.loads(out)


class Campaign:
    """Rounds in this process, on the clients' database."""

    def __init__(self, clients: list[Client]) -> None:
        self.clients = clients
        self.findings = Findings()
        self.ended: list[tuple[str, str, datetime]] = []

    def play(self, name: str, kind: "Kind") -> None:
        caller = kind.prepare()
        for client in self.clients:
            client.order(caller)
        for client in self.clients:
            client.wait()
        self.wait_for_load(caller.key.id)
        began = time.monotonic()
        self.ended.append((name, str(caller.key.id), kind.take_away(caller)))
        self.findings.waits.setdefault(name, []).append(time.monotonic() - began)
        time.sleep(A_WHILE)

    def wait_for_load(self, key_id) -> None:
        """Return once a client has used the key, which may take time on a busy machine."""
        deadline = time.monotonic() + LOAD_SECONDS
        while not self.entries().filter(object_id=str(key_id)).exists() and time.monotonic() < deadline:
            time.sleep(0.005)

    def look(self) -> None:
        """Find late responses once every entry is in the log. The clients must have ended."""
        from audit.sequencing.catching_up import catch_up  # noqa: PLC0415
        from audit.sequencing.timestamps import waiting  # noqa: PLC0415

        while waiting().exists():
            catch_up()
        self.findings.stored = self.entries().count_entries()
        for name, key_id, ended in self.ended:
            of_key = self.entries().filter(object_id=key_id)
            self.findings.idle[name] += not of_key.exists()
            if late := of_key.filter(timestamp__gte=ended).count_entries():
                self.findings.leaks.append(f"{name}: {late} after {ended}")

    def entries(self):
        from audit.models import AuditLog  # noqa: PLC0415
        from crypto_ops.actions import MESSAGE_DECRYPTED, MESSAGE_ENCRYPTED  # noqa: PLC0415

        done = [MESSAGE_DECRYPTED, MESSAGE_ENCRYPTED]
        return AuditLog.objects.filter(action__in=done, outcome="ok").exclude(source="command")


def run(rounds: int, path: str, only: list[str]) -> Findings:
    """Play the rounds on a new database."""
    with ExitStack() as stack:
        environment = stack.enter_context(database_of_our_own())
        stack.enter_context(sequencer(environment))
        clients = [Client(environment, path) for _ in range(CLIENTS)]
        from campaigns.revocation.rights import KINDS  # noqa: PLC0415 - it imports models

        campaign = Campaign(clients)
        for name in islice(cycle(only or KINDS), rounds):
            campaign.play(name, KINDS[name])
        findings = campaign.findings
        for counted in [client.end() for client in clients]:
            findings.sealed += counted["sealed"]
            findings.refused += counted["refused"]
        campaign.look()
        return findings


@contextmanager
def sequencer(environment: dict[str, str]) -> Iterator[None]:
    """Run the sequencer, as in production: without it operations are refused after a minute of lag."""
    process = subprocess.Popen(
        [sys.executable, ROOT / "manage.py", "run_sequencer"], env=environment, stdout=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def database_of_our_own(*, has_demo: bool = False) -> Iterator[dict[str, str]]:
    """Set up Django on a copy of a prepared installation; yield the environment for the clients."""
    source = prepared(is_on_sqlite=not POSTGRESQL_URL, has_demo=has_demo)
    url = new_database(source)
    with tempfile.TemporaryDirectory(prefix="revocation-") as folder:
        home = Path(folder) / "home"
        continue_from(source.home, home)
        ours = {"CC_HOME": str(home), "DJANGO_SETTINGS_MODULE": "ciphercanary.settings"}
        ours |= {
            "LOG_LEVEL": "CRITICAL",
            "CC_THROTTLE_PRINCIPAL": "100000000/minute",
        }
        if url:
            ours["DATABASE_URL"] = url
        os.environ |= ours
        import django  # noqa: PLC0415 - the environment is complete only now

        django.setup()
        try:
            yield clean_environment() | ours
        finally:
            from django.db import connections  # noqa: PLC0415

            connections.close_all()
            drop_database(url)


def main() -> int:
    """Return 0 if nothing leaked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument(
        "--path", choices=PATHS, default="engine", help="by which the other processes encrypt"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="KIND")
    options = parser.parse_args()
    findings = run(options.rounds, options.path, options.only)
    for name, waits in findings.waits.items():
        median, longest = 1000 * statistics.median(waits), 1000 * max(waits)
        print(
            f"{name:<21} {len(waits):>5} times, {findings.idle[name]} without load, "
            f"waited {median:.1f} ms (median), {longest:.1f} ms (longest)"
        )
    print(f"{findings.sealed} responses, {findings.stored} on record, {findings.refused} refusals")
    print(f"{len(findings.leaks)} leaks", *findings.leaks[:20], sep="\n")
    if unshown := findings.unshown():
        print(f"too often without load: {', '.join(unshown)}")
    return 1 if findings.leaks or unshown or findings.sealed != findings.stored else 0


if __name__ == "__main__":
    sys.exit(main())
