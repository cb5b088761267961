"""The sequencer as a process: steps, checkpoints and anchors, one after the other in one thread, until it is stopped.

It needs the database and nothing else, and outlives the database's restarts.
"""

import hashlib
import logging
import time
from collections.abc import Callable

import django.db
from django.conf import settings

from audit.errors import CheckpointRefused
from audit.models import AuditCheckpoint, AuditTree
from audit.sequencing.alarms import Alarm, Kind
from audit.sequencing.anchors import Anchoring, configured_anchors
from audit.sequencing.checkpoint_keys import promote_covered_keys
from audit.sequencing.checkpointing import sign_checkpoint, thin_out_checkpoints
from audit.sequencing.head import check_head
from audit.sequencing.step import batch_size, sequence_step
from audit.sequencing.tree import ALTERED, latest_checkpoint, read_tree
from audit.services.alarms import raise_alarms
from audit.services.resolving import restore_alarms
from kernel.errors import DomainError
from kernel.trust.row_mac import IntegrityFailed

logger = logging.getLogger(__name__)

PAUSE, SHORTEST_PAUSE = 1.0, 0.1  # seconds between two steps: none after a full one, shorter under load
FIRST_RETRY, LONGEST_RETRY = 0.5, 5.0  # seconds after a failure
CHECKPOINT_SECONDS = 1.0  # at most one checkpoint in so long
ALARM_AGAIN_SECONDS = 3600.0  # the alarm makes the log grow, which must not make the next alarm
THIN_OUT_SECONDS = 3600.0
RESTORE_ALARMS_SECONDS = 60.0
TICK = 0.05  # seconds after which a signal to stop is noticed


class Sequencer:
    """``has_to_stop`` is asked between two steps and while it waits."""

    def __init__(self, has_to_stop: Callable[[], bool]) -> None:
        self._has_to_stop = has_to_stop
        self._checkpointing = Checkpointing()
        self._anchoring = Anchoring(configured_anchors())
        self._thin_out_due = 0.0
        self._restore_due = 0.0
        self._failures = 0
        self._has_failed = False
        self._alarm_due: dict[str, float] = {}  # by the alarm's evidence

    def prepare(self) -> int | None:
        """Compare the database, as soon as it is there, with what this host remembers; the size of its tree.

        None where it has to stop before. Raises OlderDatabase.
        """
        while not self._has_to_stop():
            try:
                check_head()
                size = read_tree().size
            except django.db.Error as error:
                self._note_failure(error)
                django.db.close_old_connections()
                self._wait(self._pause_after_failure())
            else:
                self._failures = 0
                return size
        return None

    def run(self) -> None:
        """Until it has to stop; then what is there is sequenced, signed and anchored once more."""
        while not self._has_to_stop():
            self._wait(self.turn())
        self.turn(is_last=True)

    def turn(self, *, is_last: bool = False) -> float:
        """One step and what follows from it; after how many seconds the next is due. Never raises."""
        self._has_failed, sequenced = False, 0
        try:
            sequenced = self._attempt(sequence_step) or 0
            self._attempt(lambda: self._checkpointing.run(at_once=is_last))
            self._attempt(lambda: self._anchoring.run(at_once=is_last))
            self._attempt(self._thin_out)
            self._attempt(self._restore_alarms)
        except Exception as error:  # noqa: BLE001 - logged; the database may be back in a moment
            self._note_failure(error)
        finally:
            django.db.close_old_connections()
        if self._has_failed:
            return self._pause_after_failure()
        self._failures = 0
        return pause_after(sequenced)

    def _attempt[T](self, duty: Callable[[], T]) -> T | None:
        """What is refused for a reason of its own does not keep the others from their work."""
        try:
            return duty()
        except (CheckpointRefused, IntegrityFailed) as error:
            self._alarm(alarm_of(error))
        except (DomainError, OSError) as error:
            self._note_failure(error)
        return None

    def _alarm(self, alarm: Alarm) -> None:
        now = time.monotonic()
        self._alarm_due = {evidence: due for evidence, due in self._alarm_due.items() if due > now}
        if alarm.evidence not in self._alarm_due:
            self._alarm_due[alarm.evidence] = now + ALARM_AGAIN_SECONDS
            raise_alarms([alarm])

    def _note_failure(self, error: Exception) -> None:
        logger.error("the sequencer goes on in a moment", exc_info=error)
        self._has_failed = True

    def _pause_after_failure(self) -> float:
        pause: float = min(LONGEST_RETRY, FIRST_RETRY * 2**self._failures)
        self._failures = min(self._failures + 1, 10)
        return pause

    def _thin_out(self) -> None:
        if time.monotonic() >= self._thin_out_due:
            self._thin_out_due = time.monotonic() + THIN_OUT_SECONDS
            thin_out_checkpoints()

    def _restore_alarms(self) -> None:
        if time.monotonic() >= self._restore_due:
            self._restore_due = time.monotonic() + RESTORE_ALARMS_SECONDS
            restore_alarms()

    def _wait(self, seconds: float) -> None:
        # Not an Event: its lock and a signal's handler in the same thread can wait for each other.
        until = time.monotonic() + seconds
        while not self._has_to_stop() and (left := until - time.monotonic()) > 0:
            time.sleep(min(TICK, left))


class Checkpointing:
    """Signs what has grown, at most once a second, and lets the keys change that were published."""

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


def alarm_of(error: CheckpointRefused | IntegrityFailed) -> Alarm:
    """What contradicts what, in the words of the check that found it, and the state in which it was found.

    The state stays as it is for as long as nothing is signed, or sequenced: the same incident is one alarm.
    """
    expected = "what was written or signed before"
    if isinstance(error, CheckpointRefused):
        newest = latest_checkpoint()
        found = f"{error.__cause__} (newest checkpoint: {newest.size if newest else 0})"
        return Alarm(kind=Kind.CHECKPOINT_INCONSISTENT, expected=expected, found=found)
    found = f"{error.detail} {_tree_as_found()}" if error.detail == ALTERED else error.detail
    return Alarm(kind=Kind.INTEGRITY_FAILED, expected=expected, found=found)


def _tree_as_found() -> str:
    row = AuditTree.objects.values_list("size", "root", "edge").first()
    if row is None:
        return "It is missing."
    size, root, edge = row
    return f"Size {size}, root {bytes(root).hex()}, SHA-256 of the edge {hashlib.sha256(edge).hexdigest()}."


def pause_after(sequenced: int) -> float:
    """Seconds to the next step: the fuller this one was, the sooner."""
    full = batch_size()
    # On SQLite nobody else can write during a step, and between two without a pause hardly anybody would.
    shortest = 0.0 if sequenced >= full and not settings.CC_SQLITE else SHORTEST_PAUSE
    return max(shortest, PAUSE * (1 - sequenced / full))


def checkpoint_now() -> AuditCheckpoint | None:
    """Sequence and sign what is there, also while a sequencer runs; the newest checkpoint, None in an empty log.

    Raises CheckpointRefused, which is on record then, and what ``sequence_step`` and ``sign_checkpoint`` raise.
    """
    while sequence_step(waits=True) >= batch_size():
        pass
    try:
        sign_checkpoint(waits=True)
    except CheckpointRefused as refused:
        raise_alarms([alarm_of(refused)])
        raise
    promote_covered_keys(waits=True)
    return latest_checkpoint()
