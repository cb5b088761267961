"""Revoke rights while other processes use them from memory: no answer may leave after the acknowledgement.

    python -m tests.revocation.campaign --rounds 1000

runs on SQLite; inside ``python -m tests.services`` (or with DATABASE_URL) on PostgreSQL. Of four rounds, one
disables a key, one lets a key expire, one logs a session out and one changes a role. The timestamp of an
entry was already past when its own transaction checked it while holding the epoch, by a millisecond or two.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from tests.product import ROOT, clean_environment, drop_database, new_database

CLIENTS = 2
A_WHILE = 0.05  # seconds of load before a change and after it
EXPIRES_IN = 0.5  # seconds
LOAD_SECONDS = 5.0
KINDS = ("disable", "expire", "log out", "change role")


@dataclass
class Findings:
    """The results of the rounds; a leak names its round."""

    waits: dict[str, list[float]] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)
    idle: int = 0
    sealed: int = 0
    refused: int = 0
    stored: int = 0


PATHS = {"engine": "tests.revocation.client", "fast-path": "tests.revocation.fast_path_client"}


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

    def use(self, token: str, key_id: object) -> None:
        self.process.stdin.write(json.dumps({"token": token, "key_id": str(key_id)}) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ready\n"

    def end(self) -> dict[str, int]:
        """End the client; return its counts."""
        out, _ = self.process.communicate(timeout=60)
        return json.loads(out)


class Campaign:
    """Rounds in this process, on the clients' database."""

    def __init__(self, clients: list[Client]) -> None:
        from accounts.principals import Principal  # noqa: PLC0415 - models need a set-up Django
        from accounts.services import create_user  # noqa: PLC0415
        from audit.log.events import Source  # noqa: PLC0415

        self.clients = clients
        self.system = Principal.system("campaign", Source.COMMAND)
        self.user = create_user(
            principal=self.system, username="dora", password="correct horse battery", role="developer"
        )
        self.number = 0
        self.findings = Findings()

    def play(self, kind: str) -> None:
        self.number += 1
        token, refresh_token, principal = self.log_in()
        key = self.new_key(principal, expires=kind == "expire")
        for client in self.clients:
            client.use(token, key.id)
        self.wait_for_load(key.id)
        began = time.monotonic()
        ended = self.take_away(kind, key, refresh_token)
        if kind != "expire":
            self.findings.waits.setdefault(kind, []).append(time.monotonic() - began)
        time.sleep(A_WHILE)
        self.look(kind, key.id, ended)

    def take_away(self, kind: str, key, refresh_token: str) -> datetime:
        """End the right; return the moment from which it must not be used."""
        from accounts.origin import Origin  # noqa: PLC0415
        from accounts.services import log_out, set_role  # noqa: PLC0415
        from audit.log.events import Source  # noqa: PLC0415
        from kernel.clock import database_now  # noqa: PLC0415
        from keys.services import disable_key  # noqa: PLC0415

        if kind == "expire":
            while database_now() < key.expires_at:
                time.sleep(A_WHILE)
            return key.expires_at
        if kind == "disable":
            disable_key(principal=self.system, key_id=key.id, reason="campaign")
        elif kind == "log out":
            origin = Origin(client_ip="", user_agent="", request_id="", source=Source.API)
            log_out(refresh_token=refresh_token, origin=origin)
        else:
            role = "operator" if self.role() == "developer" else "developer"
            set_role(principal=self.system, user_id=self.user.id, role=role)
        return database_now()

    def log_in(self):
        from accounts.origin import Origin  # noqa: PLC0415
        from accounts.services import set_role  # noqa: PLC0415
        from accounts.services.sessions import open_session  # noqa: PLC0415
        from accounts.tokens import authenticate_bearer  # noqa: PLC0415
        from audit.log.events import Source  # noqa: PLC0415

        if self.role() != "developer":
            set_role(principal=self.system, user_id=self.user.id, role="developer")
        self.user.refresh_from_db()
        origin = Origin(client_ip="192.0.2.1", user_agent="", request_id="", source=Source.API)
        pair = open_session(self.user, "password", origin)
        return pair.access_token, pair.refresh_token, authenticate_bearer(pair.access_token, origin)

    def role(self) -> str:
        self.user.refresh_from_db(fields=["role"])
        return self.user.role

    def new_key(self, principal, *, expires: bool):
        from kernel.clock import database_now  # noqa: PLC0415
        from keys.services import create_key  # noqa: PLC0415

        expires_at = database_now() + timedelta(seconds=EXPIRES_IN) if expires else None
        return create_key(
            principal=principal, name=f"contested-{self.number}", algorithm="aes-256", expires_at=expires_at
        )

    def wait_for_load(self, key_id) -> None:
        """Return once a client has used the key, which may take time on a busy machine."""
        deadline = time.monotonic() + LOAD_SECONDS
        while not self.entries().filter(object_id=str(key_id)).exists() and time.monotonic() < deadline:
            time.sleep(0.005)

    def look(self, kind: str, key_id, ended: datetime) -> None:
        times = self.entries().filter(object_id=str(key_id)).values_list("timestamp", flat=True)
        late = [at for at in times if at >= ended]
        if late:
            self.findings.leaks.append(f"round {self.number}, {kind}: {len(late)} after {ended}")
        self.findings.idle += not times

    def entries(self):
        from audit.models import AuditLog  # noqa: PLC0415
        from crypto_ops.actions import MESSAGE_ENCRYPTED  # noqa: PLC0415

        return AuditLog.objects.filter(action=MESSAGE_ENCRYPTED, outcome="ok")


def run(rounds: int, path: str) -> Findings:
    """Play the rounds on a new database."""
    with ExitStack() as stack:
        environment = stack.enter_context(database_of_our_own())
        stack.enter_context(sequencer(environment))
        clients = [Client(environment, path) for _ in range(CLIENTS)]
        campaign = Campaign(clients)
        for number in range(rounds):
            campaign.play(KINDS[number % len(KINDS)])
        findings = campaign.findings
        for counted in [client.end() for client in clients]:
            findings.sealed += counted["sealed"]
            findings.refused += counted["refused"]
        findings.stored = campaign.entries().count()
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
def database_of_our_own() -> Iterator[dict[str, str]]:
    """Set up Django on a new database and data folder; yield the environment for the clients."""
    url = new_database()
    with tempfile.TemporaryDirectory(prefix="revocation-") as folder:
        ours = {"CC_HOME": str(Path(folder) / "home"), "DJANGO_SETTINGS_MODULE": "ciphercanary.settings"}
        ours |= {
            "LOG_LEVEL": "CRITICAL",
            "CC_THROTTLE_PRINCIPAL": "100000000/minute",
        }
        if url:
            ours["DATABASE_URL"] = url
        os.environ |= ours
        prepare()
        try:
            yield clean_environment() | ours
        finally:
            from django.db import connections  # noqa: PLC0415

            connections.close_all()
            drop_database(url)


def prepare() -> None:
    import django  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415

    from kernel import home  # noqa: PLC0415

    home.prepare(Path(settings.CC_HOME))
    django.setup()
    from ciphercanary.server import preparation  # noqa: PLC0415 - it imports models

    preparation.prepare()


def main() -> int:
    """Return 0 if nothing leaked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument(
        "--path", choices=PATHS, default="engine", help="by which the other processes encrypt"
    )
    options = parser.parse_args()
    findings = run(options.rounds, options.path)
    for kind, waits in findings.waits.items():
        median, longest = 1000 * statistics.median(waits), 1000 * max(waits)
        print(
            f"{kind:<12} {len(waits):>5} times, waited {median:.1f} ms (median), {longest:.1f} ms (longest)"
        )
    print(f"{findings.sealed} answers, {findings.stored} on record, {findings.refused} refusals")
    print(f"{findings.idle} rounds without load; {len(findings.leaks)} leaks")
    print("\n".join(findings.leaks[:20]))
    nothing_shown = findings.idle * 2 > sum(map(len, findings.waits.values()))
    return 1 if findings.leaks or nothing_shown or findings.sealed != findings.stored else 0


if __name__ == "__main__":
    sys.exit(main())
