"""Find gaps and repetitions: numbers that are missing before a bundle, and bundles whose numbers the log has already.

A writer numbers its entries 1, 2, 3 … and commits its bundles in that order, with growing ids. So among the oldest
bundles, those of a writer have consecutive numbers, and the number before the first of them is already in the log.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import batched
from operator import or_
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Max, Q

from audit import actions
from audit.archive.contents import has_removed
from audit.log.bundles import Body, Bundle
from audit.log.raw_rows import as_stored
from audit.models import AuditLog
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.sequencing.bundles.expanding import columns_of, kind_of

_LOOKED_UP_AT_ONCE = 100
_TYPES = {"postgresql": ("::integer", "::uuid", "::bigint", "::bigint"), "sqlite": ("", "", "", "")}

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
        numbers = range(bundle.first, bundle.first + bundle.entries)
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
    logged = _last_in_log([bundles[place] for place in begins])
    for place, (last, newest) in zip(begins, logged, strict=True):
        repeated[place] = last is not None or _is_archived(bundles[place], newest)
    return repeated


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


def _is_archived(bundle: Bundle, newest: object) -> bool:
    """Whether the archive removed entries with its numbers. It keeps the ``newest`` row of each writer.

    On SQLite, ``newest`` is a text if one was altered to a text, because it sorts above any number.
    """
    numbers = range(bundle.first, bundle.first + bundle.entries)
    may_be = newest >= numbers.stop if isinstance(newest, int) else newest is not None
    return may_be and has_removed(bundle.writer, numbers)


def _last_in_log(bundles: Sequence[Bundle]) -> Iterator[tuple[int | None, int | None]]:
    """For each bundle, the largest of its numbers that the log has, and that of its writer; None if there is none."""
    types = _TYPES[connection.vendor]
    row = f"({', '.join(f'%s{each}' for each in types)})"
    for some in batched(bundles, _LOOKED_UP_AT_ONCE):
        statement = (
            f"WITH asked (place, writer, low, high) AS (VALUES {', '.join([row] * len(some))}) "  # noqa: S608 - constants
            "SELECT (SELECT max(g.wseq) FROM audit_logs g WHERE g.writer = asked.writer AND g.wseq >= asked.low "
            "AND g.wseq < asked.high), (SELECT max(g.wseq) FROM audit_logs g WHERE g.writer = asked.writer) "
            "FROM asked ORDER BY place"
        )
        parameters: list[Any] = [
            value
            for place, each in enumerate(some)
            for value in (place, as_stored(each.writer), each.first, each.first + each.entries)
        ]
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            yield from cursor.fetchall()


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


def _stored(numbers: Iterable[_Number]) -> Iterator[tuple[_Number, int]]:
    """Those of the numbers that the log has, with the ids of their entries."""
    for some in batched(numbers, _LOOKED_UP_AT_ONCE):
        any_of_them = reduce(or_, (Q(writer=writer, wseq=wseq) for writer, wseq in some))
        found = AuditLog.objects.filter(any_of_them).order_by().values_list("writer", "wseq", "id")  # noqa: CC2 - numbers of the writers' entries
        yield from (((str(writer), wseq), log_id) for writer, wseq, log_id in found)


def _gap(number: _Number, place: Place) -> Alarm:
    writer, expected = number
    before = AuditLog.objects.filter(writer=writer, wseq__lt=expected, id__lt=place.log_id)  # noqa: CC2 - numbers of the writers' entries
    last: int | None = before.aggregate(last=Max("wseq"))["last"]
    return Alarm(
        kind=AlarmKind.SEQUENCE_GAP,
        writer=writer,
        expected=expected,
        found=last or 0,
        log_id=place.log_id,
        is_of_alarm=_has(place, actions.LOG_ALARMED),
    )
