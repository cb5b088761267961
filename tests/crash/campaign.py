"""Kill the server in the middle of its work, again and again, on one data set that grows.

    python -m tests.crash.campaign --rounds 20 --changes 200 [--kill-database]

runs on SQLite; inside ``python -m tests.services`` (or with DATABASE_URL) on PostgreSQL. ``--kill-database``
brings a durable PostgreSQL of its own and kills that one every other round.
"""

import argparse
import contextlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.load import GONE, Acknowledged, Load
from tests.product import ROOT, Product
from tests.services.postgresql import PostgreSQL
from tests.services.rights import folder_for_servers

RECOVERY_SECONDS = 10


def main() -> int:
    """Return 0 where no round broke anything."""
    options = parse()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder_for_servers())))
        folder.chmod(0o711)
        postgresql = None
        if options.kill_database:
            postgresql = stack.enter_context(PostgreSQL(folder / "postgresql", durable=True))
        product = Product(folder / "product", database=postgresql and postgresql.url)
        stack.enter_context(product)
        everything = Acknowledged()
        for number in range(options.rounds):
            seed = options.seed + number
            if postgresql and number % 2:
                kill_database_under_load(product, postgresql, everything, changes=options.changes, seed=seed)
            else:
                kill_under_load(product, everything, changes=options.changes, seed=seed)
            violations = find_violations(product, everything)
            say(
                f"round {number + 1}, seed {seed}: {len(everything.requests)} acknowledged, {len(violations)} wrong"
            )
            if violations:
                say("\n".join(violations))
                return 1
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--changes", type=int, default=200, help="creations and rotations of a whole round")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--kill-database", action="store_true")
    return parser.parse_args()


def kill_under_load(product: Product, everything: Acknowledged, *, changes: int, seed: int) -> None:
    """``kill -9`` of every process of the server at a moment of the round, then a new start."""
    moment = random.Random(seed).randrange(changes // 4, changes)  # noqa: S311 - a moment is no secret
    with Load(product, product.token(), seed=seed) as load:
        load.wait_for(moment)
        product.kill()
    add(everything, load.acknowledged)
    product.start()


def kill_database_under_load(
    product: Product, postgresql: PostgreSQL, everything: Acknowledged, *, changes: int, seed: int
) -> float:
    """``kill -9`` of PostgreSQL, and its restart, while the server stays; the seconds until it answered again.

    What the server says meanwhile must be 503, and it must find the database again by itself.
    """
    with Load(product, product.token(), outlasts=True, seed=seed) as load:
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
    # The killed one's children need a moment to notice, and to let go of its memory.
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


def find_violations(product: Product, everything: Acknowledged) -> list[str]:
    """What the database says, seen from inside, and what the restarted server answers."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.invariants"],
        cwd=ROOT,
        env=product.environment | {"DJANGO_SETTINGS_MODULE": "ciphercanary.settings"},
        input=json.dumps(everything.as_json()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines() + unusable(product, everything)


def unusable(product: Product, everything: Acknowledged) -> list[str]:
    """The acknowledged ciphertexts that do not decrypt, and the keys that do not encrypt; of many, a sample."""
    token, wrong = product.token(), []
    with contextlib.suppress(*GONE), product.connect() as client:
        for ciphertext, plaintext in everything.ciphertexts[-100:]:
            answer = client.send("POST", "/api/v1/decrypt", {"ciphertext": ciphertext}, token=token)
            if answer.status != 200 or answer.json["data"] != plaintext:
                wrong.append(f"{ciphertext}: {answer.status}")
        for key_id in list(dict(everything.versions))[-50:]:
            body = {"algorithm": "aes-256-gcm", "data": "aGk=", "key_id": key_id}
            answer = client.send("POST", "/api/v1/encrypt", body, token=token)
            if answer.status != 200:
                wrong.append(f"{key_id}: {answer.status}")
        return wrong
    return [*wrong, "the restarted server went away"]


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
