"""Find gaps: rows that are missing in a batch of entries, or before it.

A writer numbers its rows 1, 2, 3 … and commits them in that order, with growing ids. So in a batch of the lowest ids,
the rows of a writer have consecutive numbers, and the number before the first of them is already in the log.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import batched, pairwise
from operator import or_
from typing import Any
from uuid import UUID

from django.db.models import Max, Q

from audit import actions
from audit.models import AuditLog
from audit.sequencing.alarms import Alarm, AlarmKind

LOOKED_UP_AT_ONCE = 100

type Row = Mapping[str, Any]
type Number = tuple[str, int]  # writer, wseq


def find_gaps(rows: Sequence[Row], authentic: Sequence[Row]) -> list[Alarm]:
    """Alarms about numbers that should exist but do not.

    ``rows`` are in the order of their ids. Those in ``authentic`` have a valid MAC. Only heartbeats among them are
    trusted.
    """
    expected = dict(_numbers_before(rows)) | dict(_numbers_of_heartbeats(authentic))
    stored = set(_stored(expected))
    trusted = {row["id"] for row in authentic}
    return [
        _gap(number, row, is_of_alarm=row["id"] in trusted and row["action"] == actions.LOG_ALARMED)
        for number, row in expected.items()
        if number not in stored
    ]


def _numbers_before(rows: Iterable[Row]) -> Iterator[tuple[Number, Row]]:
    """The number before each row, unless the row before it in the batch has it."""
    writers: dict[str, list[Row]] = {}
    for row in rows:
        writers.setdefault(row["writer"], []).append(row)
    for writer, own in writers.items():
        if own[0]["wseq"] > 1:
            yield (writer, own[0]["wseq"] - 1), own[0]
        for before, after in pairwise(own):
            if after["wseq"] != before["wseq"] + 1:
                yield (writer, after["wseq"] - 1), after


def _numbers_of_heartbeats(rows: Iterable[Row]) -> Iterator[tuple[Number, Row]]:
    """The last number of each writer, from heartbeats."""
    for row in rows:
        if row["action"] == actions.WRITER_HEARTBEAT:
            for writer, wseq in json.loads(row["meta"]).get("writers", {}).items():
                yield (str(UUID(writer)), wseq), row


def _stored(numbers: Iterable[Number]) -> Iterator[Number]:
    for some in batched(numbers, LOOKED_UP_AT_ONCE):
        any_of_them = reduce(or_, (Q(writer=writer, wseq=wseq) for writer, wseq in some))
        found = AuditLog.objects.filter(any_of_them).order_by().values_list("writer", "wseq")
        yield from ((str(writer), wseq) for writer, wseq in found)


def _gap(number: Number, row: Row, *, is_of_alarm: bool) -> Alarm:
    writer, expected = number
    last: int | None = AuditLog.objects.filter(writer=writer, wseq__lt=expected).aggregate(last=Max("wseq"))[
        "last"
    ]
    return Alarm(
        kind=AlarmKind.SEQUENCE_GAP,
        writer=writer,
        expected=expected,
        found=last or 0,
        log_id=row["id"],
        is_of_alarm=is_of_alarm,
    )
