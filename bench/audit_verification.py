"""Measures how long it takes to verify and export a large log, and to verify the export.

    .venv/bin/python -m tests.services .venv/bin/python -m bench.audit_verification --entries 1000000

This runs on PostgreSQL; without ``tests.services``, on SQLite. The product's own builder creates the rows, with
their MACs. One in forty is a change of two rows of the trail.
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from campaigns.revocation.campaign import database_of_our_own
from tests.product import ROOT

BATCH = 5_000
CHANGES_IN_A_BATCH = 125
MEGABYTE = 1024  # in KiB, the kernel's unit


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="bench.audit_verification",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--entries", type=int, default=1_000_000, help="of the log (1000000)")
    entries: int = parser.parse_args(arguments).entries
    with database_of_our_own(), tempfile.TemporaryDirectory(prefix="bench-") as folder:
        from django.db import connection

        print(f"{connection.vendor}, {entries} entries")
        with timed("write and sequence"):
            write(entries)
        verify()
        export(Path(folder))


def write(entries: int) -> None:
    from audit.sequencing.bundles.step import sequence_step
    from audit.sequencing.checkpoints.signing import sign_checkpoint

    chance = random.Random(1)  # noqa: S311 - the choice of keys is not secret
    for _ in range(entries // BATCH):
        write_batch(chance)
        while sequence_step():
            pass
        sign_checkpoint()


def write_batch(chance: random.Random) -> None:
    from django.db import transaction

    from audit.log.bundles import bundle_of, entry_of, insert_bundle
    from audit.log.events import Actor, Event, RowChange, Source
    from audit.services.recording import record
    from kernel.clock import database_now

    actor = Actor(
        user_id=uuid.UUID(int=chance.randrange(20), version=4),
        actor_type="user",
        actor_name="dora",
        auth_method="password+totp",
        token_id="3f9d1c7a",  # noqa: S106 - a token ID, not a token
        client_ip="192.0.2.7",
        user_agent="python-requests/2.32",
        source=Source.API,
        request_id=f"req-{chance.getrandbits(48):x}",
    )
    entries = [
        entry_of(
            Event(
                action=chance.choice(["crypto.message.encrypted", "crypto.message.decrypted"]),
                object_type="key",
                object_id=str(uuid.UUID(int=chance.randrange(100), version=4)),
                object_version=chance.randrange(1, 4),
                size=64,
                meta={"mode": "gcm"},
            ),
            actor,
        )
        for _ in range(BATCH - CHANGES_IN_A_BATCH)
    ]
    with transaction.atomic():
        insert_bundle(bundle_of(entries, at=database_now(), writer=str(uuid.uuid4()), first=1))
        for number in range(CHANGES_IN_A_BATCH):
            changes = [RowChange.inserted("keys", number, {"name": "a", "uses": number}) for _ in range(2)]
            record(
                Event(action="keys.key.created", object_type="key", object_id=str(number)),
                actor,
                changes=changes,
            )


def verify() -> None:
    from audit.verification.fsck import verify_log

    with timed("verify_log") as took:
        report = verify_log()
    if report.is_altered:
        sys.exit(f"a false alarm: {report.findings}")
    print(
        f"    {report.size} entries, {report.changed_rows} changed rows, {report.checkpoints} checkpoints: "
        f"{report.size / took():.0f} entries/s"
    )


def export(folder: Path) -> None:
    from audit.exports.tiles import export_log
    from audit.sequencing.checkpoints.signing_keys import trusted_keys

    with timed("export_log"):
        summary = export_log(folder / "export")
    size = sum(path.stat().st_size for path in (folder / "export").rglob("*") if path.is_file())
    print(f"    {size / 2**20:.0f} MiB")
    keys = [argument for key in trusted_keys() for argument in ("--key", key.vkey)]
    command = [sys.executable, ROOT / "bin" / "ccverify", "verify-export", folder / "export", *keys]
    with timed("ccverify verify-export") as took:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"a false alarm: {done.stdout}{done.stderr}")
    print(f"    {summary.size / took():.0f} entries/s")


@contextmanager
def timed(what: str) -> Iterator:
    began, cpu = time.perf_counter(), time.process_time()
    yield lambda: took
    took = time.perf_counter() - began
    print(f"{what:<24} {took:8.1f} s, {time.process_time() - cpu:8.1f} s of this process; peak {peak()} MiB")
    sys.stdout.flush()


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // MEGABYTE


if __name__ == "__main__":
    main(sys.argv[1:])
