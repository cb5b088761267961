"""Steps of the passes over the log. Each verifies the next tiles and changed rows, at a set pace.

A pass goes to the newest checkpoint of its beginning. A step needs only the position from the steps before it, so a pass
goes on after a restart. Entries are proven in the newest checkpoint of each step.
"""

import hashlib
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max, Q

from audit import actions
from audit.log.events import Actor, Event, Outcome, Source
from audit.log.raw_rows import reading
from audit.models import AuditPass, AuditTrail
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.sequencing.tree import latest_checkpoint
from audit.services import proofs, showing
from audit.services.alarms import raise_alarms
from audit.services.recording import record
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.tiles import WIDTH
from audit.verification import integrity
from audit.verification.findings import Result
from audit.verification.passes.tiles import UNREADABLE, Tiles
from audit.verification.protected_rows import stored_rows
from kernel.clock import database_now
from kernel.databases.transactions import try_lock
from kernel.errors import VersionConflict
from kernel.trust.row_mac import IntegrityFailed

STEP_SECONDS: Final = 10.0
LISTED: Final = 10  # findings of a pass that have an alarm each
_MOST_SECONDS: Final = 2.0  # of work in one step
_SHORTEST: Final = timedelta(hours=1)  # from the beginning of one pass to that of the next
_LARGEST_ID: Final = 2**62  # of a changed row that has a position; larger ones are invented
_LOCK: Final = int.from_bytes(b"cc-logvf")  # our key among PostgreSQL's advisory locks, a bigint
_ACTOR: Final = Actor.system("log verification", Source.SCHEDULER)
_NO_HEAD: Final = Alarm(
    kind=AlarmKind.CHECKPOINT_INCONSISTENT,
    expected="a tree, and a newest checkpoint that the keys of the log signed",
    found="others",
)


@dataclass(slots=True)
class _Step:
    """``current`` is the pass after the step, None if nothing was due. ``is_altered``: its stored row is."""

    current: AuditPass | None = None
    is_altered: bool = False
    alarms: list[Alarm] = field(default_factory=list)

    def add(self, current: AuditPass, found: Sequence[Alarm]) -> None:
        """The first alarms of a pass are raised, the others are in the digest of its end."""
        self.alarms += found[: max(0, LISTED - current.alarms)]
        current.alarms += len(found)
        for alarm in found:
            current.digest = hashlib.sha256(f"{current.digest} {alarm.evidence}".encode()).hexdigest()


def verify_next() -> None:
    """Verify the next part of the log, and raise alarms. Raises django.db.Error and the errors of the MAC's key.

    Several workers may call it at the same time: one does the work.
    """
    if not settings.CC_LOG_VERIFICATION_HOURS:
        return
    now = database_now()
    with reading():
        step = _verify(now) if try_lock(_LOCK) else _Step()
    raise_alarms(step.alarms)
    if step.current is not None:
        with suppress(VersionConflict, IntegrityError):  # another worker has stored the same part
            _store(step, step.current)


def read_pass() -> AuditPass | None:
    """The current pass, None before the first. Raises IntegrityFailed if its row was altered."""
    for _, row in stored_rows(AuditPass):
        if row is None:
            raise IntegrityFailed("The row of audit_passes was changed outside the application.")
    return AuditPass.objects.first()


def _verify(now: datetime) -> _Step:
    step = _Step()
    try:
        current = read_pass()
    except IntegrityFailed:
        step.is_altered, current = True, None
    if current is not None and current.has_ended and timedelta(0) <= now - current.started_at < _SHORTEST:
        return step
    try:
        newest = latest_checkpoint()
        if newest is None:
            return step
        head = proofs.opened(newest)
        tiles = Tiles(head)
    except (IntegrityFailed, *UNREADABLE):
        step.alarms.append(_NO_HEAD)
        return step
    if step.is_altered:
        step.alarms.append(_alarm_of_position(now))
    if current is not None and current.size > head.size:
        step.alarms.append(_alarm_of_cut(current, head))
    if current is None or current.has_ended or current.size > head.size:
        current = _begin(current or AuditPass(), head, now)
    step.current = current
    _verify_parts(step, current, tiles, now)
    return step


def _verify_parts(step: _Step, current: AuditPass, tiles: Tiles, now: datetime) -> None:
    began = time.monotonic()
    for _ in range(_parts_due(current, now)):
        step.add(current, _verify_part(current, tiles))
        if current.has_ended or time.monotonic() - began > _MOST_SECONDS:
            break
    if current.has_ended:
        step.add(current, _finish(current, tiles))
        if current.alarms > LISTED:
            step.alarms.append(_summary_of(current))
    step.alarms += tiles.repeated


def _begin(current: AuditPass, head: Checkpoint, now: datetime) -> AuditPass:
    newest = AuditTrail.objects.filter(id__lte=_LARGEST_ID).aggregate(newest=Max("id"))["newest"]  # noqa: CC2 - of the whole log
    current.started_at, current.size, current.trail_size = now, head.size, max(newest or 0, 0)
    current.position, current.alarms, current.digest = 0, 0, ""
    return current


def _parts_due(current: AuditPass, now: datetime) -> int:
    """As many in each step that the pass ends in time."""
    left = math.ceil((current.end - current.position) / WIDTH)
    ends_at = current.started_at + timedelta(hours=settings.CC_LOG_VERIFICATION_HOURS)
    return math.ceil(left * STEP_SECONDS / max((ends_at - now).total_seconds(), STEP_SECONDS))


def _verify_part(current: AuditPass, tiles: Tiles) -> Sequence[Alarm]:
    """Verify the next tile or the next changed rows, and move the position behind them."""
    if current.position < current.size:
        number = current.position // WIDTH
        current.position = min((number + 1) * WIDTH, current.size)
        return list(tiles.verify(number))
    last_id = current.position - current.size
    rows = AuditTrail.objects.filter(id__gt=last_id, id__lte=current.trail_size).order_by("id")[:WIDTH]  # noqa: CC2 - of the whole log
    changes = integrity.find_changes(rows)
    is_last = len(changes) < WIDTH
    current.position = current.end if is_last else current.size + changes[-1].values[0]
    return showing.alarms_of_changes(changes)


def _finish(current: AuditPass, tiles: Tiles) -> Sequence[Alarm]:
    """Find rows with ids that no part has. The application writes none."""
    current.finished += 1
    rows = AuditTrail.objects.filter(Q(id__lte=0) | Q(id__gt=_LARGEST_ID)).order_by("id")[:WIDTH]  # noqa: CC2 - of the whole log
    return [*tiles.find_beyond(), *showing.alarms_of_changes(integrity.find_changes(rows))]


def _store(step: _Step, current: AuditPass) -> None:
    """Raises VersionConflict, or IntegrityError for the first row, if another worker has stored its step."""
    with transaction.atomic():
        if step.is_altered:
            AuditPass.objects.all().delete()  # noqa: CC3 - the state lacks an altered row
        current.save_with_mac()
        if current.has_ended:
            record(_event_of(current), _ACTOR)


def _event_of(current: AuditPass) -> Event:
    return Event(
        action=actions.PASS_FINISHED,
        outcome=Outcome.ERROR if current.alarms else Outcome.OK,
        code=Result.ALTERED if current.alarms else "",
        meta={"started_at": current.started_at, "entries": current.size, "findings": current.alarms},
    )


def _alarm_of_position(now: datetime) -> Alarm:
    """A new alarm for each alteration, because the row is replaced, but one an hour if it cannot be."""
    return Alarm(
        kind=AlarmKind.VERIFICATION_FAILED,
        expected="the position of the verification as the application wrote it",
        found="another one: the pass begins again",
        identity=f"position {now:%Y-%m-%d %H}",
    )


def _alarm_of_cut(current: AuditPass, head: Checkpoint) -> Alarm:
    return Alarm(
        kind=AlarmKind.CHECKPOINT_INCONSISTENT,
        expected=f"a checkpoint of at least {current.size} entries",
        found=f"one of {head.size}",
    )


def _summary_of(current: AuditPass) -> Alarm:
    return Alarm(
        kind=AlarmKind.VERIFICATION_FAILED,
        expected="no findings",
        found=f"{current.alarms:,} findings in a pass, of which the first {LISTED} have alarms",
        identity=f"findings {current.digest}",
    )
