"""Find gaps and repetitions: numbers that are missing before a bundle, and bundles whose numbers the log has already.

A writer numbers its entries 1, 2, 3 … and commits its bundles in that order, with growing ids. So among the oldest
bundles, those of a writer have consecutive numbers, and the number before the first of them is already in the log.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from audit import actions
from audit.archive.contents import has_removed
from audit.log.bundles import Body, Bundle
from audit.log.row_numbers import Numbers, last_of, number_of_entries, rows_up_to
from audit.models import AuditBundle, AuditLog
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.sequencing.bundles.expanding import columns_of, kind_of
from audit.sequencing.bundles.taking import waiting_bundles
from kernel.databases.changes import Change

type _Number = tuple[str, int]  # writer, wseq


class Place(NamedTuple):
    """A bundle in the log. ``log_id`` is the id of its first entry."""

    bundle: Bundle
    body: Body
    log_id: int


def overlaps(bundles: Sequence[Bundle]) -> list[bool]:
    """Whether each bundle repeats numbers that the log, or an earlier one of these bundles, has."""
    own: dict[str, list[range]] = {}
    begins: list[int] = []
    repeated = []
    for place, bundle in enumerate(bundles):
        numbers = _numbers_of(bundle)
        runs = own.setdefault(bundle.writer, [])
        is_repeated = any(run.start < numbers.stop and numbers.start < run.stop for run in runs)
        repeated.append(is_repeated)
        if is_repeated:
            continue
        if runs and runs[-1].stop == numbers.start:
            runs[-1] = range(runs[-1].start, numbers.stop)
        else:
            runs.append(numbers)
        begins.append(place)
    # Usually the log ends before the numbers of each writer. Only if it does not, each bundle is looked up.
    newest = dict(zip(own, rows_up_to([(writer, None) for writer in own]), strict=True))
    doubtful = [place for place in begins if _may_repeat(bundles[place], newest[bundles[place].writer])]
    before = rows_up_to(
        [(bundles[at].writer, bundles[at].first + bundles[at].entries - 1) for at in doubtful]
    )
    for place, logged in zip(doubtful, before, strict=True):
        bundle = bundles[place]
        repeated[place] = _reaches(logged, bundle.first) or has_removed(bundle.writer, _numbers_of(bundle))
    return repeated


def waiting_changes() -> Iterator[Change]:
    """The changes of rows in bundles that wait. Those of a bundle that was put back do not count again."""
    waiting = [
        (bundle, body.changes) for bundle, body in waiting_bundles(AuditBundle.objects.all()) if body.changes
    ]
    repeated = overlaps([bundle for bundle, _ in waiting])
    for (_, changes), is_repeated in zip(waiting, repeated, strict=True):
        if not is_repeated:
            yield from changes


def find_gaps(places: Sequence[Place]) -> list[Alarm]:
    """Alarms about numbers that should exist but do not: before each bundle, and the last ones in heartbeats.

    The bundles are in the log, in the order of their ids.
    """
    expected = dict(_numbers_before(places)) | dict(_numbers_of_heartbeats(places))
    stored = dict(_stored(expected))
    return [
        _gap(number, place)
        for number, place in expected.items()
        # A number of a later entry was not there yet: someone changed the order of the bundles.
        if number not in stored or stored[number] > place.log_id
    ]


def missing_numbers(places: Sequence[Place]) -> list[_Number]:
    """The numbers before these bundles that the log lacks. The bundles themselves still wait."""
    before = dict(_numbers_before(places))
    stored = dict(_stored(before))
    return [number for number in before if number not in stored]


def _reaches(row: Numbers | None, number: int) -> bool:
    return row is not None and row.last >= number


def _may_repeat(bundle: Bundle, newest: Numbers | None) -> bool:
    """Whether the log, or the archive, may have its numbers. The archive keeps the ``newest`` row of each writer.

    On SQLite, the number of ``newest`` is a text if one was altered to a text.
    """
    return newest is not None and (not isinstance(newest.last, int) or newest.last >= bundle.first)


def _numbers_of(bundle: Bundle) -> range:
    return range(bundle.first, bundle.first + bundle.entries)


def _numbers_before(places: Iterable[Place]) -> Iterator[tuple[_Number, Place]]:
    """The number before each bundle, unless the one before it of the same writer ends with it."""
    ends: dict[str, int] = {}
    for place in places:
        writer, first = place.bundle.writer, place.bundle.first
        if first > 1 and ends.get(writer) != first:
            yield (writer, first - 1), place
        ends[writer] = first + place.bundle.entries


def _numbers_of_heartbeats(places: Iterable[Place]) -> Iterator[tuple[_Number, Place]]:
    """The last number of each writer, from heartbeats."""
    for place in places:
        yield from ((number, place) for number in _reported(place))


def _reported(place: Place) -> Iterator[_Number]:
    if not _has(place, actions.WRITER_HEARTBEAT):
        return
    metas = [
        columns["meta"]
        for columns in columns_of(place.bundle, place.body)
        if columns["action"] == actions.WRITER_HEARTBEAT
    ]
    for meta in metas:
        yield from ((str(UUID(writer)), wseq) for writer, wseq in json.loads(meta).get("writers", {}).items())


def _has(place: Place, action: str) -> bool:
    return any(kind_of(bytes(raw)).columns["action"] == action for raw in place.body.kinds)


def _stored(numbers: Collection[_Number]) -> Iterator[tuple[_Number, int]]:
    """Those of the numbers that the log has, with the ids of their rows."""
    for number, row in zip(numbers, rows_up_to(list(numbers)), strict=True):
        if row is not None and _reaches(row, number[1]):
            yield number, row.id


def _gap(number: _Number, place: Place) -> Alarm:
    writer, expected = number
    before = AuditLog.objects.filter(writer=writer, wseq__lt=expected, id__lt=place.log_id)  # noqa: CC2 - numbers of the writers' entries
    last, entries = before.order_by("-wseq").values_list("wseq", "entries").first() or (0, None)
    return Alarm(
        kind=AlarmKind.SEQUENCE_GAP,
        writer=writer,
        expected=expected,
        found=last_of(last, number_of_entries(entries) - 1),
        log_id=place.log_id,
        is_of_alarm=_has(place, actions.LOG_ALARMED),
    )
