"""Compare the changed rows with their events: each digest in an event has its row, and each row its digest."""

from collections import Counter
from collections.abc import Iterator, Sequence

from audit.log.entries import TRAIL_FIELDS, trail_digest
from audit.log.events import TRAIL_DIGESTS
from audit.log.lines import row_of, trail_of
from audit.log.packed_rows import COLUMNS
from audit.log.raw_rows import Values, number_of, rows_of, spelled
from audit.models import AuditTrail
from audit.verification.findings import Finding, FindingKind
from audit.verification.leaves import Seen, read_eras

_EVENT_OF_ENTRY = COLUMNS.index("event_id")
_EVENT = TRAIL_FIELDS.index("event_id")


class Trail:
    """``rows`` is the number of rows compared so far."""

    def __init__(self) -> None:
        self.rows = 0
        self._waiting: set[object] = set()  # events whose entries are not in the log yet

    def check(self, seen: Sequence[Seen]) -> Iterator[Finding]:
        """Check the changed rows of these entries."""
        telling = [row for row in seen if row.inspection.digests]
        if not telling:
            return
        self._waiting |= {row.values[_EVENT_OF_ENTRY] for row in telling if row.log_id is None}
        digests: dict[object, Counter[str]] = {}
        ids: dict[tuple[object, str], int] = {}
        for values in trail_of([row.values[_EVENT_OF_ENTRY] for row in telling]):
            self.rows += 1
            event, digest = values[_EVENT], digest_of(values)
            digests.setdefault(event, Counter())[digest] += 1
            ids[event, digest] = values[0]
        for row in telling:
            event = row.values[_EVENT_OF_ENTRY]
            found, named = digests.get(event, Counter()), Counter(row.inspection.digests)
            for digest in (found - named).elements():
                text = f"the changed row {ids[event, digest]} is not one that its entry names"
                yield Finding.at(FindingKind.TRAIL, text, row.index, row.log_id)
            for digest in (named - found).elements():
                text = f"no changed row has the digest {digest} that the entry names"
                yield Finding.at(FindingKind.TRAIL, text, row.index, row.log_id)

    def finish(self) -> Iterator[Finding]:
        """After every entry: find changed rows that no entry names at all."""
        if number_of("SELECT count(*) FROM audit_trail") == self.rows:
            return
        statement = (
            f"SELECT t.id, {spelled(AuditTrail, ['event_id'], 't')}, g.id, l.idx, g.meta FROM audit_trail t "  # noqa: S608 - constants
            f"LEFT JOIN audit_logs g ON g.event_id = t.event_id LEFT JOIN {read_eras().places()} l ON l.log_id = g.id ORDER BY t.id"
        )
        for trail_id, event_id, log_id, index, meta in rows_of(statement):
            if log_id is None and event_id in self._waiting:
                continue
            if log_id is None:
                yield Finding(FindingKind.TRAIL, f"the changed row {trail_id} belongs to no entry")
            elif TRAIL_DIGESTS not in str(meta):
                text = f"the changed row {trail_id} belongs to an entry that names none"
                yield Finding.at(FindingKind.TRAIL, text, index, log_id)


def digest_of(values: Values) -> str:
    """The digest; "", which no entry names, if the columns have no canonical form."""
    try:
        return trail_digest(row_of(values))
    except (TypeError, ValueError, RecursionError):
        return ""
