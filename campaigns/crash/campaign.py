"""Kill the server, or a part of it, repeatedly during its work, on one growing data set.

    python -m campaigns.crash.campaign --rounds 20 --changes 200 --kill everything,web,worker,sequencer,database

Each round kills the next of the parts. It runs on SQLite; inside ``python -m tests.services`` (or with
DATABASE_URL) on PostgreSQL. ``database`` starts its own durable PostgreSQL.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from http.client import CREATED
from pathlib import Path

from campaigns.crash.load import GONE, Acknowledged, Load
from tests.output import log
from tests.product import ROOT, Product
from tests.services.postgresql import PostgreSQL
from tests.services.rights import folder_for_servers

RECOVERY_SECONDS = 20
STARTED_AGAIN_SECONDS = 40  # bin/serve waits up to 30 before it restarts a process that dies repeatedly
JOB_SECONDS = 90  # the lease of a killed worker must expire before its job is taken over
AGAIN = {"request_in_progress", "throttled", "audit_unavailable", "dependency_unavailable", "overloaded"}
EVERYTHING, DATABASE = "everything", "database"
PARTS = {"web": "gunicorn: worker", "worker": "run_worker", "sequencer": "run_sequencer"}


def main() -> int:
    """Return 0 if no round found a violation."""
    options = parse()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder_for_servers())))
        folder.chmod(0o711)
        postgresql = None
        if DATABASE in options.kill:
            postgresql = stack.enter_context(PostgreSQL(folder / "postgresql", durable=True))
        product = Product(folder / "product", database=postgresql and postgresql.url)
        stack.enter_context(product)
        everything = Acknowledged()
        for number in range(options.rounds):
            seed = options.seed + number
            part = options.kill[number % len(options.kill)]
            amount = {"changes": options.changes, "seed": seed, "clients": options.clients}
            if part == EVERYTHING:
                kill_under_load(product, everything, **amount)
            elif part == DATABASE:
                kill_database_under_load(product, postgresql, everything, **amount)
            else:
                kill_part_under_load(product, PARTS[part], everything, **amount)
            violations = find_violations(product, everything)
            log(
                f"round {number + 1}, {part} killed under {options.clients} clients, seed {seed}: "
                f"{len(everything.requests)} acknowledged, {len(violations)} wrong"
            )
            if violations:
                log("\n".join(violations))
                return 1
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--changes", type=int, default=200, help="creations and rotations of a whole round")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--kill", default=EVERYTHING, help="comma-separated parts, one a round in turn")
    options = parser.parse_args()
    options.kill = options.kill.split(",")
    if unknown := set(options.kill) - {EVERYTHING, DATABASE, *PARTS}:
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    return options


def kill_under_load(
    product: Product, everything: Acknowledged, *, changes: int, seed: int, clients: int = 8
) -> None:
    """``kill -9`` of every process of the server at a random point of the round, then a new start."""
    moment = random.Random(seed).randrange(changes // 4, changes)  # noqa: S311 - needs no secret randomness
    with Load(product, product.token(), seed=seed, clients=clients) as load:
        load.wait_for(moment)
        product.kill()
    add(everything, load.acknowledged)
    product.start()


def kill_part_under_load(
    product: Product, command: str, everything: Acknowledged, *, changes: int, seed: int, clients: int = 8
) -> None:
    """``kill -9`` of the processes that run ``command``; the rest of the server continues and restarts them."""
    moment = random.Random(seed).randrange(changes // 4, changes)  # noqa: S311 - needs no secret randomness
    with Load(product, product.token(), outlasts=True, seed=seed, clients=clients) as load:
        load.wait_for(moment)
        killed = running(product, command)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        assert killed, f"nothing runs {command}"
        load.wait_for(moment + changes // 4)
    # 429: if the sequencer is down and falls behind the log, the busiest clients are throttled.
    assert set(load.acknowledged.refusals) <= {429, 503}, load.acknowledged.refusals
    add(everything, load.acknowledged)
    # If the log lags far behind, the server throttles the requests that follow.
    catch_up(product)


def catch_up(product: Product) -> None:
    """Wait until every committed entry is in the log; the sequencer writes entries after their commit."""
    deadline = time.monotonic() + 2 * STARTED_AGAIN_SECONDS
    while product.query("SELECT 1 FROM audit_bundles LIMIT 1"):
        assert time.monotonic() < deadline, "the sequencer does not catch up"
        time.sleep(0.02)


def running(product: Product, command: str) -> set[int]:
    """The processes that run ``command``; after repeated deaths they are restarted only after a delay."""
    deadline = time.monotonic() + STARTED_AGAIN_SECONDS
    while not (found := product.processes_of(command)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def kill_database_under_load(
    product: Product,
    postgresql: PostgreSQL,
    everything: Acknowledged,
    *,
    changes: int,
    seed: int,
    clients: int = 8,
) -> float:
    """``kill -9`` and restart PostgreSQL while the server runs; return the seconds until it responded again.

    Meanwhile the server may only return 503, and it must reconnect to the database by itself.
    """
    with Load(product, product.token(), outlasts=True, seed=seed, clients=clients) as load:
        load.wait_for(changes // 2)
        assert postgresql.process is not None
        postgresql.process.send_signal(signal.SIGKILL)
        postgresql.process.wait()
        restart(postgresql)
        began = time.monotonic()
        load.wait_for(load.acknowledged.changes + 1, RECOVERY_SECONDS)
        recovered = time.monotonic() - began
        load.wait_for(changes)
    assert set(load.acknowledged.refusals) <= {503}, load.acknowledged.refusals
    add(everything, load.acknowledged)
    return recovered


def restart(postgresql: PostgreSQL) -> None:
    # The children of the killed process need a moment to exit and release its memory.
    for _ in range(20):
        with contextlib.suppress(TimeoutError):
            postgresql.start()
            return
        time.sleep(0.2)
    raise TimeoutError("PostgreSQL does not start again")


def add(everything: Acknowledged, more: Acknowledged) -> None:
    everything.versions += more.versions
    everything.requests += more.requests
    everything.ciphertexts += more.ciphertexts
    everything.exports += more.exports
    everything.unconfirmed |= more.unconfirmed


def find_violations(product: Product, everything: Acknowledged) -> list[str]:
    """Violations found inside the database, and in the responses of the restarted server."""
    wrong = unrepeatable(product, everything)
    catch_up(product)
    return (
        wrong
        + violations_in_database(product, everything)
        + violations_in_log(product)
        + unusable(product, everything)
        + unfinished(product, everything)
    )


def unrepeatable(product: Product, everything: Acknowledged) -> list[str]:
    """Repeat each change whose outcome is unknown. Its request id must then be on record exactly once."""
    token, made, wrong = product.token(), 0, []
    for request_id, (path, body) in everything.unconfirmed.items():
        headers = {"X-Request-ID": request_id, "Idempotency-Key": request_id}
        deadline = time.monotonic() + RECOVERY_SECONDS
        response = product.send("POST", path, body, token=token, headers=headers)
        while response.status != CREATED and response.code in AGAIN and time.monotonic() < deadline:
            time.sleep(0.02)
            response = product.send("POST", path, body, token=token, headers=headers)
        if response.status != CREATED:
            wrong.append(f"repeated {path}: {response.status} {response.content!r}")
            continue
        made += "Idempotent-Replayed" in response.headers
        key_id = response.json.get("new_key_id", response.json["id"])
        everything.versions.append((key_id, response.json.get("new_version", 1)))
        everything.requests.append(request_id)
    log(f"{len(everything.unconfirmed)} changes without a response, {made} of them made")
    everything.unconfirmed.clear()
    return wrong


def violations_in_database(product: Product, everything: Acknowledged) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "campaigns.crash.invariants"],
        cwd=ROOT,
        env=product.environment | {"DJANGO_SETTINGS_MODULE": "ciphercanary.settings"},
        input=json.dumps(everything.as_json()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def violations_in_log(product: Product) -> list[str]:
    """The findings of ``verify_audit_log``."""
    verified = product.manage("verify_audit_log")
    return (verified.stdout + verified.stderr).splitlines() if verified.returncode else []


def unfinished(product: Product, everything: Acknowledged) -> list[str]:
    """The exports that do not finish, and the files that do not match their description."""
    token, wrong = product.token(), []
    for export_id in everything.exports[-5:]:
        path, deadline = f"/api/v1/audit/exports/{export_id}", time.monotonic() + JOB_SECONDS
        while (job := product.send("GET", path, token=token).json)["status"] in {"pending", "running"}:
            if time.monotonic() > deadline:
                wrong.append(f"export {export_id}: still {job['status']}")
                break
            time.sleep(0.02)
        else:
            content = product.send("GET", f"{path}/result", token=token).content
            if hashlib.sha256(content).hexdigest() != job["sha256"]:
                wrong.append(f"export {export_id}: its file is not the one of its SHA-256")
    return wrong


def unusable(product: Product, everything: Acknowledged) -> list[str]:
    """The acknowledged ciphertexts that do not decrypt, and keys that do not encrypt; of many, a sample."""
    token, wrong = product.token(), []
    with contextlib.suppress(*GONE), product.connect() as client:
        for ciphertext, plaintext in everything.ciphertexts[-100:]:
            response = client.send("POST", "/api/v1/decrypt", {"ciphertext": ciphertext}, token=token)
            if response.status != 200 or response.json["data"] != plaintext:
                wrong.append(f"{ciphertext}: {response.status}")
        for key_id in list(dict(everything.versions))[-50:]:
            body = {"algorithm": "aes-256-gcm", "data": "aGk=", "key_id": key_id}
            response = client.send("POST", "/api/v1/encrypt", body, token=token)
            if response.status != 200:
                wrong.append(f"{key_id}: {response.status}")
        return wrong
    return [*wrong, "the restarted server went away"]


if __name__ == "__main__":
    sys.exit(main())
