"""Follow the log, and note each touch of a canary once: the position moves in the transaction that notes it."""

from collections.abc import Iterator
from functools import lru_cache

from django.db import transaction

from audit.log.raw_rows import timestamp_of
from audit.models import AuditLog
from audit.verification import integrity
from audit.verification.integrity import FoundEntry
from canaries import incidents
from canaries.documents import Canary, Kind, Touch, watched
from canaries.errors import DocumentsAltered
from canaries.models import LogPosition
from canaries.services.offices import suspend_office
from canaries.store import Change, anchor_due, changing, opened_set, read_incidents, read_sealed_set
from canaries.watching.matching import Matcher, Row, counted_in, credential_of, is_low
from canaries.watching.reading import MOST_ROWS, last_id_of, rows_after
from kernel.clock import database_now
from kernel.runtime import process_cache

type Touched = list[tuple[Canary, Touch]]


def watch_log() -> None:
    """Note all touches up to the newest entry, then what is due. Several workers may run it at the same time.

    Raises DocumentsAltered and IntegrityFailed, after an alarm was raised.
    """
    with alarm_if_altered():
        anchor_due()
        while watch_next():
            pass
        announce_due()


def watch_next() -> bool:
    """Note the touches of the next rows. Returns whether there may be more."""
    position = read_position()
    if position is None:
        raise DocumentsAltered("the position in the log is missing")
    rows = rows_after(position.check_mac().last_id)
    if not rows:
        return False
    # The set is read after the rows. So a canary that was planted before one of these entries is in it.
    touched = list(_touched(rows, matcher_of(read_sealed_set())))
    last = rows[-1]
    with transaction.atomic():
        if _advance(position, last_id_of(last.id, last.entries)) and touched:
            with changing() as change:
                _note(change, touched)
    return len(rows) == MOST_ROWS


def announce_due() -> None:
    """Write the notices of touches that were counted since the last notice of their incident."""
    if incidents.due(read_incidents(), database_now()):
        with changing() as change:
            _announce(change)


@process_cache
@lru_cache(1)
def matcher_of(sealed: bytes) -> Matcher:
    return Matcher(opened_set(sealed))


def _advance(position: LogPosition, last_id: int) -> bool:
    """False if another worker was faster."""
    held = LogPosition.objects.select_for_update().filter(pk=True, last_id=position.last_id).first()
    if held is None:
        return False
    held.last_id = last_id
    held.save_with_mac()
    return True


def _touched(rows: list[Row], matcher: Matcher) -> Iterator[tuple[Canary, Touch]]:
    found = {row.id: (row, canaries) for row in rows if (canaries := matcher.touched(row))}
    if not found:
        return
    entries = integrity.find_rows(AuditLog.objects.filter(id__in=list(found)).order_by("id"))  # noqa: CC2 - of the whole log
    for shared in entries:
        row, canaries = found[shared[0].row.id]
        for canary in canaries:
            touch = _touch_of(canary, row, shared)
            if touch.at >= canary.planted_at:
                yield canary, touch


def _touch_of(canary: Canary, row: Row, entries: list[FoundEntry]) -> Touch:
    """The entries of one row are equal, but for their requests. The touch has the first one."""
    columns = entries[0].columns
    client_ip, auth_method = str(columns["client_ip"]), str(columns["auth_method"])
    return Touch(
        canary_id=canary.id,
        log_id=row.id,
        at=timestamp_of(columns["timestamp"]) or database_now(),  # an altered one: now, so that it counts
        action=row.action,
        outcome=row.outcome,
        code=str(columns["code"]),
        count=counted_in(row).get(str(canary.id)) or sum(_count_of(entry) for entry in entries),
        credential=credential_of(row.token_id, str(columns["auth_method"]), identity, client_ip),
        actor_name=row.actor_name,
        auth_method=auth_method,
        client_ip=client_ip,
        user_agent=str(columns["user_agent"]),
        source=row.source,
        request_id=str(columns["request_id"]),
        is_low=is_low(canary, row),
    )


def _count_of(entry: FoundEntry) -> int:
    """Refusals that were counted are one entry."""
    count = entry.columns["count"]
    return count if isinstance(count, int) else 1


def _note(change: Change, touched: Touched) -> None:
    for canary, found in touched:
        touch = match_drill(change.incidents, canary, found)
        incident = incidents.add_touch(change.incidents, canary, touch)
        change.note("canary.touched", canary=canary.id, incident=incident.id, touch=touch)
        if canary.kind is Kind.OFFICE:
            suspend_office(change, canary.id)
    _announce(change)


def _announce(change: Change) -> None:
    canaries = {canary.id: canary for canary in watched(change.set)}
    channels = [channel.id for channel in change.set.channels]
    for incident in incidents.due(change.incidents, change.at):
        queue(change, incidents.announce(incident, canaries, change.at), change.set.channels)
