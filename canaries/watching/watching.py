"""Follow the log, and note each touch of a canary once: the position moves in the transaction that notes it."""

from collections.abc import Iterator
from typing import Final

from django.db import transaction
from msgspec.structs import replace

from audit.log.events import TEXT_LIMITS, clean_text
from audit.log.raw_rows import timestamp_of
from audit.models import AuditLog
from audit.verification import integrity
from audit.verification.integrity import FoundEntry
from canaries import incidents
from canaries.delivery import last_notice
from canaries.documents import UNAUTHENTICATED, Canary, CanarySet, Kind, Touch, watched
from canaries.errors import DocumentsAltered
from canaries.models import LogPosition
from canaries.notices import queue
from canaries.quarantine import quarantine_due
from canaries.sealed.alarms import alarm_if_altered
from canaries.sealed.consistency import check_position, read_consistent
from canaries.sealed.journal import last_page
from canaries.sealed.store import Change, anchor_due, changing, read_incidents, read_set
from canaries.services.offices import renew_office, suspend_office
from canaries.watching.matching import Matcher, Row, counted_in, credential_of, is_low, is_renewal
from canaries.watching.reading import MOST_ROWS, last_id_of, rows_after
from kernel.clock import database_now
from kernel.databases.counting import uncounted_statements
from kernel.databases.lock_waits import bounded
from kernel.runtime import ProcessState

_LONGEST_OUTCOME, _LONGEST_CREDENTIAL = 10, 64  # characters

type _Touched = list[tuple[Canary, Touch]]


@uncounted_statements()
def watch_log() -> None:
    """Note all touches up to the newest entry, then what is due. Several workers may run it at the same time.

    Raises DocumentsAltered and IntegrityFailed, after an alarm was raised. Officers get a notice of each failure that
    lasts, also if no row can be read or written.
    """
    try:
        with alarm_if_altered():
            _anchor()
            while _watch_next():
                quarantine_due()  # a long backlog must not delay it
            quarantine_due()
            _announce_due()
            _remember_channels()
    except Exception as error:
        last_notice.failed(error)
        raise


@bounded()
def _anchor() -> None:
    """Anchor the journal if that is due. While this process runs, it only grows. Raises DocumentsAltered."""
    known, state = _matching.current.newest_page, read_consistent()
    newest = state.last.page.number if state.last else 0
    # A failover may have lost pages: the next turn continues. But it loses no whole journal.
    _matching.current.newest_page = newest or known
    if newest < known:
        raise DocumentsAltered(f"the journal was put back from page {known} to {newest}")
    anchor_due(state)


@bounded()
def _watch_next() -> bool:
    """Note the touches of the next rows. Returns whether there may be more."""
    position = check_position(last_page())
    rows = rows_after(position.last_id)
    if not rows:
        return False
    # The set is read after the rows. So a canary that was planted before one of these entries is in it.
    touched = list(_touched(rows, _matching.current.matcher_of(read_set())))
    last = rows[-1]
    with transaction.atomic():
        if _advance(position, last_id_of(last.id, last.entries)) and touched:
            with changing() as change:
                _note(change, touched)
    return len(rows) == MOST_ROWS


@bounded()
def _announce_due() -> None:
    """Write the notices of touches that were counted since the last notice of their incident."""
    if incidents.due(read_incidents(), database_now()):
        with changing() as change:
            _announce(change)


@bounded()
def _remember_channels() -> None:
    last_notice.worked(read_set().channels)


class _Matching:
    """The matcher of the set that was read last. ``newest_page``: of the journal, at the beginning of the last turn."""

    def __init__(self) -> None:
        self.newest_page = 0
        self._set = CanarySet()
        self._matcher = Matcher(self._set)

    def matcher_of(self, canaries: CanarySet) -> Matcher:
        if canaries is not self._set:
            self._set, self._matcher = canaries, Matcher(canaries)
        return self._matcher


_matching: Final = ProcessState(_Matching)


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
    text = {
        name: clean_text(str(columns[name]), limit) for name, limit in TEXT_LIMITS.items()
    }  # altered: any length
    return Touch(
        canary_id=canary.id,
        log_id=row.id,
        at=timestamp_of(columns["timestamp"]) or database_now(),  # an altered one: now, so that it counts
        action=text["action"],
        outcome=row.outcome[:_LONGEST_OUTCOME],
        code=text["code"],
        count=counted_in(row).get(str(canary.id)) or sum(_count_of(entry) for entry in entries),
        credential=credential_of(canary, row)[:_LONGEST_CREDENTIAL],
        actor_name=text["actor_name"],
        auth_method=text["auth_method"],
        client_ip=text["client_ip"],
        user_agent=text["user_agent"],
        source=text["source"],
        request_id=text["request_id"],
        holder=(row.user_id or row.actor_id)[:_LONGEST_CREDENTIAL],
        is_low=is_low(canary, row),
    )


def _count_of(entry: FoundEntry) -> int:
    """Refusals that were counted are one entry."""
    count = entry.columns["count"]
    return count if isinstance(count, int) else 1


def _note(change: Change, touched: _Touched) -> None:
    unexpected: _Touched = []
    for canary, touch in touched:
        if is_renewal(canary, touch):
            renew_office(change, canary.id, touch.count)
        elif not incidents.is_expected(change.incidents, canary, touch):
            unexpected.append((canary, incidents.match_drill(change.incidents, canary, touch)))
    for canary, touch in _merged(unexpected):
        incident = incidents.add_touch(change.incidents, canary, touch)
        change.note("canary.touched", canary=canary.id, incident=incident.id, touch=touch)
        if canary.kind is Kind.OFFICE:
            suspend_office(change, canary.id)
    _announce(change)


def _merged(touched: _Touched) -> _Touched:
    """Equal touches of strangers as one with their count: otherwise a flood of them would fill the journal."""
    found: dict[object, tuple[Canary, Touch]] = {}
    for canary, touch in touched:
        is_of_stranger = touch.credential.startswith(UNAUTHENTICATED)
        kind = (
            (canary.id, touch.action, touch.outcome, touch.code)
            if is_of_stranger
            else (canary.id, touch.log_id)
        )
        known = found.get(kind)
        merged = touch if known is None else replace(known[1], count=known[1].count + touch.count)
        found[kind] = canary, merged
    return list(found.values())


def _announce(change: Change) -> None:
    canaries = {canary.id: canary for canary in watched(change.set)}
    for incident in incidents.due(change.incidents, change.at):
        queue(change, incidents.announce(incident, canaries, change.at), change.set.channels)
