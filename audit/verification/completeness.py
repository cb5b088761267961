"""Find missing and duplicate data: leaves, and the numbers of each writer."""

from collections.abc import Callable, Iterator, Sequence
from itertools import batched

from audit.log.canonical import MAX_INTEGER
from audit.log.raw_rows import as_stored, rows_of, spelled
from audit.log.row_numbers import MORE, last_of, rows_up_to
from audit.models import AuditBundle, AuditLog
from audit.verification.findings import Finding, FindingKind
from audit.verification.leaves import Seen, read_eras
from audit.verification.losses import Gap

_LOOKED_UP_AT_ONCE = 500

_TWICE = """
SELECT log_id, min(idx), max(idx), count(*) FROM audit_leaves GROUP BY log_id HAVING count(*) > 1 ORDER BY log_id
"""
# The numeric 1.0, because the largest bigint plus 1 would overflow.
_GAPS = """
SELECT n.id, n.name, n.wseq, n.prior, n.more, here.idx, there.idx FROM (
    SELECT g.id, {writer} AS name, g.wseq,
        coalesce(lag(g.wseq) OVER (PARTITION BY g.writer ORDER BY g.wseq), 0) AS prior,
        coalesce(lag({more}) OVER (PARTITION BY g.writer ORDER BY g.wseq), 0) AS more,
        lag(g.id) OVER (PARTITION BY g.writer ORDER BY g.wseq) AS prior_id
    FROM audit_logs g
) n LEFT JOIN {places} here ON here.log_id = n.id LEFT JOIN {places} there ON there.log_id = n.prior_id
WHERE n.wseq <> n.prior + (n.more + 1.0) ORDER BY n.id
"""


def check_leaves() -> Iterator[Finding]:
    """Check that no entry of the first era has several leaves. In the second era, its id is its place."""
    for log_id, first, last, leaves in rows_of(_TWICE):
        yield Finding(FindingKind.LEAF_SURPLUS, f"the row has {leaves} leaves", first, last, log_id)


def check_sequences(has_removed: Callable[[str, int, int], bool]) -> Iterator[Finding | Gap]:
    """Check that each writer's numbers are 1, 2, 3 …, except those that ``has_removed`` (writer, first, last)."""
    writer_name = spelled(AuditLog, ["writer"], "g")
    statement = _GAPS.format(writer=writer_name, more=MORE, places=read_eras().places())
    for log_id, writer, wseq, before, more, here, there in rows_of(statement):
        prior = last_of(before, more)
        begin = None if here is None else min(here, 0 if there is None else there + more + 1)
        if not (isinstance(wseq, int) and prior < wseq - 1):
            text = f"after {prior} of writer {writer} comes {wseq}"
            yield Finding(FindingKind.SEQUENCE_GAP, text, begin, here, log_id)
        elif not has_removed(writer, prior + 1, wseq - 1):
            yield Gap(writer, prior + 1, wseq - 1, begin, here, log_id)


class Heartbeats:
    """Checks that all rows that a heartbeat reports are stored."""

    def __init__(self) -> None:
        self._missing: list[Gap] = []

    def check(self, seen: Sequence[Seen]) -> Iterator[Finding]:
        """The findings are those of ``finish``, because a later entry can accept them."""
        reported = [
            (writer, wseq, row)
            for row in seen
            if row.inspection.is_authentic
            for writer, wseq in row.inspection.tails
        ]
        for some in batched(reported, _LOOKED_UP_AT_ONCE):
            last = _last_numbers({writer for writer, _, _ in some})
            self._missing += [
                _missing_tail(writer, last.get(writer, 0), wseq, row)
                for writer, wseq, row in some
                if not wseq <= last.get(writer, 0)
            ]
        yield from ()

    def finish(self) -> Iterator[Gap]:
        yield from self._missing


def _last_numbers(writers: set[str]) -> dict[str, int]:
    places = ", ".join(["%s"] * len(writers))
    statement = (
        f"SELECT {spelled(AuditBundle, ['writer'], 'b')}, max(b.first + b.entries - 1) FROM audit_bundles b "  # noqa: S608 - constants
        f"WHERE b.rejected_at IS NULL AND b.first < {MAX_INTEGER} AND b.writer IN ({places}) GROUP BY b.writer"
    )
    waiting: dict[str, object] = dict(rows_of(statement, [as_stored(writer) for writer in writers]))
    rows = rows_up_to([(writer, None) for writer in writers])
    logged = {writer: row.last for writer, row in zip(writers, rows, strict=True) if row}
    return {
        writer: max(last for last in (waiting.get(writer), logged.get(writer), 0) if isinstance(last, int))
        for writer in writers
    }


def _missing_tail(writer: str, last: int, wseq: int, row: Seen) -> Gap:
    [newest] = rows_up_to([(writer, None)])
    statement = f"SELECT idx FROM {read_eras().places()} places WHERE log_id = %s"  # noqa: S608 - constants
    [index] = next(rows_of(statement, [newest.id]), [None]) if newest else [None]
    # The first missing one comes after the row, which has the numbers up to the last one.
    begin = 0
    if newest is not None and index is not None and isinstance(newest.last, int):
        begin = index + newest.last - newest.first + 1
    first = None if row.index is None else min(row.index, begin)
    return Gap(writer, last + 1, wseq, first, row.index, row.log_id)
