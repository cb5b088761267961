"""Find missing and duplicate data: leaves, waiting entries, and the numbers of each writer."""

from collections.abc import Iterator, Sequence
from itertools import batched

from audit.log.raw_rows import as_stored, rows_of, spelled
from audit.models import AuditLog
from audit.verification.findings import Finding, FindingKind
from audit.verification.leaves import Seen

LOOKED_UP_AT_ONCE = 500

_WAITING = """
SELECT p.log_id, l.idx FROM audit_pending p
LEFT JOIN audit_logs g ON g.id = p.log_id LEFT JOIN audit_leaves l ON l.log_id = p.log_id
WHERE g.id IS NULL OR l.idx IS NOT NULL ORDER BY p.log_id
"""
_TWICE = """
SELECT log_id, min(idx), max(idx), count(*) FROM audit_leaves GROUP BY log_id HAVING count(*) > 1 ORDER BY log_id
"""
# The numeric 1.0, because the largest bigint plus 1 would overflow.
_GAPS = """
SELECT n.id, n.name, n.wseq, n.prior, here.idx, there.idx FROM (
    SELECT g.id, {writer} AS name, g.wseq,
        coalesce(lag(g.wseq) OVER (PARTITION BY g.writer ORDER BY g.wseq), 0) AS prior,
        lag(g.id) OVER (PARTITION BY g.writer ORDER BY g.wseq) AS prior_id
    FROM audit_logs g
) n LEFT JOIN audit_leaves here ON here.log_id = n.id LEFT JOIN audit_leaves there ON there.log_id = n.prior_id
WHERE n.wseq <> n.prior + 1.0 ORDER BY n.id
"""
_TAIL = """
SELECT max(g.wseq), max(l.idx) FROM audit_logs g LEFT JOIN audit_leaves l ON l.log_id = g.id WHERE g.writer = %s
"""


def check_lists() -> Iterator[Finding]:
    """Check that every entry has one leaf, or waits for it."""
    for log_id, index in rows_of(_WAITING):
        text = "waits for a leaf, and is not there" if index is None else "waits for a leaf, and has one"
        yield Finding.at(FindingKind.WAITING, f"the row {text}", index, log_id)
    for log_id, first, last, leaves in rows_of(_TWICE):
        yield Finding(FindingKind.LEAF_SURPLUS, f"the row has {leaves} leaves", first, last, log_id)


def check_sequences() -> Iterator[Finding]:
    """Check that each writer's numbers are 1, 2, 3 …"""
    statement = _GAPS.format(writer=spelled(AuditLog, ["writer"], "g"))
    for log_id, writer, wseq, prior, here, there in rows_of(statement):
        text = f"after {prior} of writer {writer} comes {wseq}"
        first = None if here is None else min(here, 0 if there is None else there + 1)
        yield Finding(FindingKind.SEQUENCE_GAP, text, first, here, log_id)


def check_heartbeats(seen: Sequence[Seen]) -> Iterator[Finding]:
    """Check that all rows that a heartbeat reports are stored."""
    reported = [
        (writer, wseq, row)
        for row in seen
        if row.inspection.is_authentic
        for writer, wseq in row.inspection.tails
    ]
    for some in batched(reported, LOOKED_UP_AT_ONCE):
        last = _last_numbers({writer for writer, _, _ in some})
        for writer, wseq, row in some:
            if not wseq <= last.get(writer, 0):
                yield _missing_tail(writer, wseq, row)


def _last_numbers(writers: set[str]) -> dict[str, float]:
    places = ", ".join(["%s"] * len(writers))
    statement = (
        f"SELECT {spelled(AuditLog, ['writer'], 'g')}, max(g.wseq) FROM audit_logs g "  # noqa: S608 - constants
        f"WHERE g.writer IN ({places}) GROUP BY g.writer"
    )
    found = rows_of(statement, [as_stored(writer) for writer in writers])
    return {writer: wseq if isinstance(wseq, int) else 0 for writer, wseq in found}


def _missing_tail(writer: str, wseq: int, row: Seen) -> Finding:
    last, index = next(rows_of(_TAIL, [as_stored(writer)]))
    text = f"a heartbeat reports {wseq} rows of writer {writer}, whose last one is {last or 0}"
    first = None if row.index is None else min(row.index, 0 if index is None else index + 1)
    return Finding(FindingKind.SEQUENCE_GAP, text, first, row.index, row.log_id)
