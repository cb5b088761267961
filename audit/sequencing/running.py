"""The sequencer process: steps, checkpoints and anchors, one after the other in one thread, until it is stopped.

It needs only the database, and survives restarts of the database.
"""

import hashlib
import logging
import re
import time
from collections.abc import Callable
from datetime import datetime

import django.db
from django.conf import settings

from audit.errors import CheckpointRefused
from audit.models import AuditCheckpoint, AuditTree
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.sequencing.bundles.step import batch_size, sequence_step
from audit.sequencing.checkpoints.anchors import Anchoring, configured_anchors
from audit.sequencing.checkpoints.signing import sign_checkpoint, thin_out_checkpoints
from audit.sequencing.checkpoints.signing_keys import promote_covered_keys
from audit.sequencing.checkpoints.witnesses import witnessing
from audit.sequencing.daily_usage import days_to_mend, rebuild_day
from audit.sequencing.head import check_head
from audit.sequencing.merging import Merging
from audit.sequencing.tree import ALTERED, latest_checkpoint, read_tree
from audit.services.alarms import raise_alarms
from audit.services.resolving import restore_alarms
from kernel.errors import DomainError
from kernel.observability.loops import record_turn
from kernel.stopping import pause
from kernel.trust.row_mac import IntegrityFailed

logger = logging.getLogger(__name__)

_LOOP = "sequencer"
PAUSE, _SHORTEST_PAUSE = 1.0, 0.1  # seconds between two steps: none after a full one, shorter under load
_FIRST_RETRY, _LONGEST_RETRY = 0.5, 5.0  # seconds after a failure
CHECKPOINT_SECONDS = 1.0  # at most one checkpoint in this time
_ALARM_AGAIN_SECONDS = 3600.0  # the alarm makes the log grow, which must not cause the next alarm
_THIN_OUT_SECONDS = 3600.0
_RESTORE_ALARMS_SECONDS = 60.0
_NUMBER = re.compile(r"\b\d+\b")


class Sequencer:
    """``has_to_stop`` is called between two steps, and during pauses."""

    def __init__(self, has_to_stop: Callable[[], bool]) -> None:
        self._has_to_stop = has_to_stop
        self._checkpointing = Checkpointing()
        self._anchoring = Anchoring(configured_anchors())
        self._thin_out_due = 0.0
        self._restore_due = 0.0
        self._unmended: list[datetime] | None = (
            None  # days whose usage is to be summed up; None before the comparison
        )
        self._merging = Merging()
        self._failures = 0
        self._has_failed = False
        self._alarm_due: dict[str, float] = {}  # by the alarm's evidence

    def prepare(self) -> int | None:
        """Wait for the database, and compare it with the head that this host remembers. Returns the size of its tree.

        Returns None if it has to stop before. Raises OlderDatabase.
        """
        while not self._has_to_stop():
            record_turn(_LOOP)
            try:
                check_head()
                size = read_tree().size
            except django.db.Error as error:
                self._note_failure(error)
                django.db.close_old_connections()
                pause(self._pause_after_failure(), self._has_to_stop)
            else:
                self._failures = 0
                return size
        return None

    def run(self) -> None:
        """Run until it has to stop. Then sequence, sign and anchor the rest."""
        with witnessing():
            while not self._has_to_stop():
                record_turn(_LOOP)
                pause(self.turn(), self._has_to_stop)
            self.turn(is_last=True)

    def turn(self, *, is_last: bool = False) -> float:
        """One step and its follow-up work. Returns the seconds until the next one is due. Never raises."""
        self._has_failed, sequenced = False, 0
        try:
            sequenced = self._attempt(sequence_step) or 0
            self._attempt(lambda: self._checkpointing.run(at_once=is_last))
            self._attempt(lambda: self._anchoring.run(at_once=is_last))
            self._attempt(self._thin_out)
            self._attempt(self._restore_alarms)
            self._attempt(self._mend_usage)
            if sequenced < batch_size():
                self._attempt(self._merging.run)
        except Exception as error:  # noqa: BLE001 - logged; the database may be back in a moment
            self._note_failure(error)
        finally:
            django.db.close_old_connections()
        if self._has_failed:
            return self._pause_after_failure()
        self._failures = 0
        return pause_after(sequenced)

    def _attempt[T](self, duty: Callable[[], T]) -> T | None:
        """Run one duty. If it is refused, the others still run."""
        try:
            return duty()
        except (CheckpointRefused, IntegrityFailed) as error:
            self._alarm(_alarm_of(error))
        except (DomainError, OSError) as error:
            self._note_failure(error)
        return None

    def _alarm(self, alarm: Alarm) -> None:
        now = time.monotonic()
        self._alarm_due = {evidence: due for evidence, due in self._alarm_due.items() if due > now}
        if alarm.evidence not in self._alarm_due:
            self._alarm_due[alarm.evidence] = now + _ALARM_AGAIN_SECONDS
            raise_alarms([alarm])

    def _note_failure(self, error: Exception) -> None:
        logger.error("the sequencer continues after a pause", exc_info=error)
        self._has_failed = True

    def _pause_after_failure(self) -> float:
        pause: float = min(_LONGEST_RETRY, _FIRST_RETRY * 2**self._failures)
        self._failures = min(self._failures + 1, 10)
        return pause

    def _thin_out(self) -> None:
        if time.monotonic() >= self._thin_out_due:
            self._thin_out_due = time.monotonic() + _THIN_OUT_SECONDS
            thin_out_checkpoints()

    def _restore_alarms(self) -> None:
        if time.monotonic() >= self._restore_due:
            self._restore_due = time.monotonic() + _RESTORE_ALARMS_SECONDS
            restore_alarms()

    def _mend_usage(self) -> None:
        """One day at a time, because entries wait meanwhile."""
        if self._unmended is None:
            self._unmended = days_to_mend()
        if self._unmended:
            rebuild_day(self._unmended[0])
            del self._unmended[0]


class Checkpointing:
    """Signs the tree if it has grown, at most once a second, and activates published keys."""

    def __init__(self) -> None:
        self._due = 0.0

    def run(self, *, at_once: bool = False) -> None:
        """Raises what ``sign_checkpoint`` raises."""
        if not at_once and time.monotonic() < self._due:
            return
        begun = time.monotonic()
        if sign_checkpoint():
            self._due = begun + CHECKPOINT_SECONDS
        promote_covered_keys()


def _alarm_of(error: CheckpointRefused | IntegrityFailed) -> Alarm:
    """The alarm for a failed check: the message of the check, and the state in which it failed.

    The state stays the same while nothing is signed or sequenced, so the same incident is one alarm.
    """
    expected = "what was written or signed before"
    if isinstance(error, CheckpointRefused):
        newest = latest_checkpoint()
        state = f" (newest checkpoint: {newest.size if newest else 0})"
        found = f"{error.__cause__}{state}"
        # The alarm itself makes the tree grow, whose size can be part of the text.
        identity = _NUMBER.sub("", str(error.__cause__)) + state
        return Alarm(
            kind=AlarmKind.CHECKPOINT_INCONSISTENT, expected=expected, found=found, identity=identity
        )
    found = f"{error.detail} {_tree_as_found()}" if error.detail == ALTERED else error.detail
    return Alarm(kind=AlarmKind.INTEGRITY_FAILED, expected=expected, found=found)


def _tree_as_found() -> str:
    row = AuditTree.objects.values_list("size", "root", "edge").first()
    if row is None:
        return "It is missing."
    size, root, edge = row
    digest = hashlib.sha256(_octets(edge)).hexdigest()
    return f"Size {size}, root {_octets(root).hex()}, SHA-256 of the edge {digest}."


def _octets(stored: object) -> bytes:
    """SQLite lets a text be written into a column of bytes."""
    return bytes(stored) if isinstance(stored, bytes | memoryview) else repr(stored).encode()


def pause_after(sequenced: int) -> float:
    """Seconds until the next step: the fuller this one was, the sooner."""
    full = batch_size()
    # On SQLite, nothing else can write during a step, so there must be a pause between two steps.
    shortest = 0.0 if sequenced >= full and not settings.CC_SQLITE else _SHORTEST_PAUSE
    return max(shortest, PAUSE * (1 - sequenced / full))


def checkpoint_now() -> AuditCheckpoint | None:
    """Sequence and sign all entries, even while a sequencer runs. Returns the newest checkpoint, None in an empty log.

    Raises CheckpointRefused, after an alarm was recorded, and what ``sequence_step`` and ``sign_checkpoint`` raise.
    """
    while sequence_step(waits=True) >= batch_size():
        pass
    try:
        sign_checkpoint(waits=True)
    except CheckpointRefused as refused:
        raise_alarms([_alarm_of(refused)])
        raise
    promote_covered_keys(waits=True)
    return latest_checkpoint()
