"""Unaltered logs of every shape we can think of: no verifier may raise an alarm about them."""

import random
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import connections, transaction

from audit.exports.tiles import export_log
from audit.models import AuditBundle, AuditCheckpoint, AuditLog, AuditReceipt, AuditTree
from audit.sequencing.checkpoints.signing import thin_out_checkpoints
from audit.sequencing.checkpoints.signing_keys import bootstrap_checkpoint_keys, trusted_keys
from audit.sequencing.head import HEAD_FILE, check_head
from audit.verification.fsck import verify_log
from audit.verification.heads import OutsideCheckpoint
from campaigns.tampering.campaign import ccverify
from kernel import runtime
from tests.tampering.altering import TABLES, execute, without_triggers
from tests.tampering.writing import Log, rotate_keys, sequence, sign, sign_in_the_past

SIZES = (1, 2, 3, 255, 256, 257, 511, 512, 513, 767, 768, 769)


def untouched_logs(number: int, seed: int) -> Iterator[tuple[str, str, str]]:
    """The log, the verifier, and its findings, which must be empty."""
    for count in range(number):
        begin_anew()
        name = shape(count, Log(seed + count))
        with busy(count % 5 == 4):
            yield name, "verify_audit_log", said()
            yield from checked_from_outside(name)


def begin_anew() -> None:
    """Reset to the state after the migrations. The next keys are the first ones of this installation."""
    with without_triggers(), transaction.atomic():
        for table in TABLES:
            execute(f"DELETE FROM {table}")  # noqa: S608 - constants
        AuditTree.objects.create(id=1, root=bytes.fromhex(EMPTY))
    (Path(settings.CC_HOME) / HEAD_FILE).unlink(missing_ok=True)
    # A new process begins with new writers.
    runtime.fresh()


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def shape(number: int, log: Log) -> str:
    """Write a log of the given shape, and return its description."""
    if number == 0:
        return "an empty log"
    bootstrap_checkpoint_keys()
    log.written = 1
    if number <= len(SIZES):
        return exactly(SIZES[number - 1], log)
    return SHAPES[number % len(SHAPES)](log)


def exactly(size: int, log: Log) -> str:
    if size > 3:
        log.change(rows=3)
        log.elsewhere(1)
    log.operate(size - log.written)
    finish()
    found = AuditTree.objects.get().size
    assert found == size, list(AuditLog.objects.values_list("action", "writer", "wseq", "meta"))
    return f"a tree of {size}"


def pending(log: Log) -> str:
    log.write(200)
    finish()
    log.write(30)
    assert AuditBundle.objects.exists()
    return "pending entries"


def unsequenced(log: Log) -> str:
    log.write(50)
    return "pending entries without a tree"


def unsigned(log: Log) -> str:
    log.write(100)
    finish()
    log.write(20)
    sequence()
    return "leaves without a checkpoint"


def steps(log: Log) -> str:
    for _ in range(40):
        log.write(log.chance.randrange(1, 20))
        finish()
    return "40 checkpoints"


def writers(log: Log) -> str:
    for _ in range(20):
        log.elsewhere(log.chance.randrange(1, 6))
        log.undo()
        log.beat()
    finish()
    return "20 writers, rollbacks and heartbeats"


def keys(log: Log) -> str:
    for _ in range(3):
        log.write(40)
        rotate_keys()
    log.write(40)
    finish()
    return "three rotations of the checkpoint keys"


def thinned(log: Log) -> str:
    hours = sorted((log.chance.randrange(25 * 60, 80 * 60) for _ in range(40)), reverse=True)
    sizes = sign_in_the_past(log, *(timedelta(minutes=minutes) for minutes in hours))
    AuditReceipt.objects.create(size=sizes[3], anchor="file", receipt="x", anchored_at="2026-01-01T00:00:00Z")
    rotate_keys()
    steps(log)
    assert thin_out_checkpoints()
    return "thinned-out checkpoints and an anchored one"


def new_host(log: Log) -> str:
    log.write(100)
    finish()
    (Path(settings.CC_HOME) / HEAD_FILE).unlink()
    check_head()
    return "a host without a stored head"


def many(log: Log) -> str:
    log.write(3000)
    finish()
    return "3,000 entries"


SHAPES: list[Callable[[Log], str]] = [
    pending,
    unsequenced,
    unsigned,
    steps,
    writers,
    keys,
    thinned,
    new_host,
    many,
]


def finish() -> None:
    sequence()
    sign()


@contextmanager
def busy(is_busy: bool) -> Iterator[None]:  # noqa: FBT001 - a switch for a with statement
    """Write, sequence and sign in other threads during the block."""
    if not is_busy:
        yield
        return
    bootstrap_checkpoint_keys()
    ends = threading.Event()

    def work(duty: Callable[[], object]) -> None:
        while not ends.is_set():
            duty()
        connections.close_all()

    logs = [Log(random.SystemRandom().randrange(10**6)) for _ in range(2)]
    duties = [logs[0].change, lambda: logs[1].operate(5), finish]
    threads = [threading.Thread(target=work, args=[duty]) for duty in duties]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ends.set()
        for thread in threads:
            thread.join()


def checked_from_outside(name: str) -> Iterator[tuple[str, str, str]]:
    """Verify with a pinned key and an earlier checkpoint, here and with ccverify."""
    if not AuditCheckpoint.objects.exists():
        return
    pinned = trusted_keys()[:2]
    notes = list(AuditCheckpoint.objects.order_by("size").values_list("size", "note"))
    outside = [OutsideCheckpoint.parse(f"{size}", note) for size, note in (notes[0], notes[-1])]
    yield (
        name,
        "verify_audit_log --key --checkpoint",
        said(pinned=pinned, outside=outside),
    )
    with tempfile.TemporaryDirectory(prefix="untouched-") as folder:
        place = Path(folder)
        export_log(place / "export")
        (place / "keys").write_text("\n".join(key.vkey for key in pinned))
        (place / "earlier").write_text(outside[0].note)
        done = ccverify(place / "export", place / "keys", [place / "earlier"])
        yield name, "ccverify --key --checkpoint", "" if done.returncode == 0 else done.stdout + done.stderr


def said(**given: object) -> str:
    return "; ".join(map(str, verify_log(**given).findings))
