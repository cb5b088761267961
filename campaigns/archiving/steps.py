"""The steps of archiving a segment, and how to kill a process in each: its locks and stored data show where it is."""

import contextlib
import fcntl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from audit.archive.contents import Kept
from audit.archive.segments import name_of
from audit.models import AuditLog, AuditSegment
from audit.sequencing.leadership import LOCK, LOCK_FILE
from tests.product import ROOT

_NOTICED = 0.3  # seconds in which the process reaches a lock
_SECONDS = 120
COMMAND = (ROOT / "bin" / "manage", "archive_audit_log", "--older-than", "0d")


class Missed(Exception):
    """The process ended first."""


class Run:
    """A process that archives."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(COMMAND, env=environment, stdout=subprocess.PIPE, text=True)

    def kill(self) -> None:
        """``kill -9``. Raises Missed."""
        has_ended = self.process.poll() is not None
        self.process.kill()
        self.process.communicate()
        if has_ended:
            raise Missed

    def end(self) -> int:
        """Wait for its success, and return the number of segments that it archived."""
        said, _ = self.process.communicate(timeout=_SECONDS)
        assert self.process.returncode == 0, said
        return int(said.split()[0])

    def wait_until(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + _SECONDS
        while not holds():
            if self.process.poll() is not None:
                raise Missed
            assert time.monotonic() < until
            time.sleep(0.001)


def after_the_file(run: Run, number: int) -> None:
    """The file is written. The record needs the leadership."""
    with _leadership():
        run.wait_until((Path(settings.CC_AUDIT_ARCHIVE) / name_of(number)).exists)
        time.sleep(_NOTICED)
        run.kill()
    assert not _segment(number).exists()


def after_the_record(run: Run, number: int) -> None:
    run.wait_until(_segment(number).exists)
    run.kill()


def during_the_removal(run: Run, number: int) -> None:
    _wait_for_removal(run, number)
    run.kill()


def between_two_removals(run: Run, number: int) -> None:
    """Rows are missing. The next transaction needs a lock, which it gets only after the kill."""
    _wait_for_removal(run, number)
    with transaction.atomic():  # no one else can write on SQLite
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE audit_removals IN SHARE MODE")
        time.sleep(_NOTICED)
        run.kill()


def before_the_end(run: Run, number: int) -> None:
    """Every row is removed. On PostgreSQL, the row of the segment is locked; on SQLite, the kill has to be fast."""
    run.wait_until(_segment(number).exists)
    segment = _segment(number).get()
    kept = Kept(segment)
    last = next(place for place in reversed(range(AuditSegment.ENTRIES)) if place not in kept)
    removed_last = AuditLog.objects.filter(id=segment.first_id + last)
    with _locked(_segment(number)):
        run.wait_until(lambda: not removed_last.exists())
        run.kill()
    if _segment(number).exclude(removed_at=None).exists():
        raise Missed


STEPS = (after_the_file, after_the_record, during_the_removal, between_two_removals, before_the_end)


def _segment(number: int) -> QuerySet[AuditSegment]:
    return AuditSegment.objects.filter(number=number)


def _wait_for_removal(run: Run, number: int) -> None:
    run.wait_until(_segment(number).exists)
    segment = _segment(number).get()
    rows = AuditLog.objects.filter(id__gte=segment.first_id, id__lte=segment.last_id)
    before = rows.count()
    run.wait_until(lambda: rows.count() < before)


@contextmanager
def _leadership() -> Iterator[None]:
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            yield
        return
    with (settings.CC_HOME / LOCK_FILE).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _locked(segment: QuerySet[AuditSegment]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        if connection.vendor == "postgresql":
            stack.enter_context(transaction.atomic())
            segment.select_for_update().get()
        yield
