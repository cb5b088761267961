"""Check the bundles: each waits, is as the application wrote it, and continues the numbers of its writer."""

from collections.abc import Iterator, Sequence

from audit.log.bundles import Body, Bundle
from audit.log.raw_rows import rows_of, spelled
from audit.models import AuditBundle
from audit.sequencing.bundles.continuity import Place, missing_numbers, overlaps
from audit.sequencing.bundles.expanding import columns_of
from audit.sequencing.bundles.taking import NAMES, Taken
from audit.verification.findings import Finding, FindingKind
from audit.verification.inspection import inspect_waiting
from audit.verification.leaves import RowCheck, Seen
from audit.verification.losses import Losses
from kernel.crypto.errors import MacMismatch


class Bundles:
    """``waiting`` is the number of entries in good bundles. ``checks`` get each of these entries. ``losses`` are those of the
    rows.
    """

    def __init__(self, checks: Sequence[RowCheck], losses: Losses) -> None:
        self.waiting = 0
        self._losses = losses
        self._checks = checks

    def check(self) -> Iterator[Finding]:
        statement = (
            f"SELECT {spelled(AuditBundle, ['id', *NAMES, 'rejected_at'], 'b')} "  # noqa: S608 - constants
            "FROM audit_bundles b ORDER BY b.id"
        )
        good: list[tuple[int, Bundle, Body]] = []
        for bundle_id, *stored, rejected_at in rows_of(statement):
            taken = Taken(bundle_id, tuple(stored))
            if rejected_at is not None:
                yield _finding(taken, "it was rejected")
                continue
            try:
                good.append((bundle_id, *taken.open()))
            except MacMismatch:
                yield _finding(taken, "its MAC does not hold")
            except ValueError as error:
                yield _finding(taken, str(error))
        yield from self._check_numbers(good)
        for _, bundle, body in good:
            yield from self._check_entries(bundle, body)

    def _check_numbers(self, good: Sequence[tuple[int, Bundle, Body]]) -> Iterator[Finding]:
        repeated = overlaps([bundle for _, bundle, _ in good])
        for (bundle_id, bundle, _), is_repeated in zip(good, repeated, strict=True):
            if is_repeated:
                text = (
                    f"the bundle {bundle_id} of writer {bundle.writer} repeats numbers from {bundle.first} on"
                )
                yield Finding(FindingKind.BUNDLE, text)
        for writer, wseq in missing_numbers([Place(bundle, body, 0) for _, bundle, body in good]):
            if not self._losses.decision_about(writer, wseq, wseq):
                text = f"the entry {wseq} of writer {writer} is missing before a bundle"
                yield Finding(FindingKind.SEQUENCE_GAP, text)

    def _check_entries(self, bundle: Bundle, body: Body) -> Iterator[Finding]:
        self.waiting += bundle.entries
        seen = []
        for columns in columns_of(bundle, body):
            values, inspection = inspect_waiting(columns)
            seen.append(Seen(None, None, values, inspection))
        for check in self._checks:
            yield from check(seen)


def _finding(taken: Taken, reason: str) -> Finding:
    return Finding(FindingKind.BUNDLE, taken.describe(reason))
