"""Decide whether the application wrote a row, for the verifier and for pages."""

from collections.abc import Iterator
from dataclasses import dataclass

from audit.verification.findings import FindingKind
from audit.verification.inspection import Inspection


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a row."""

    kind: FindingKind
    text: str


def faults_of(inspection: Inspection, leaf: object) -> Iterator[Fault]:
    """The faults of a row, none if it is intact. ``leaf`` is its stored hash, or None if the row has no leaf."""
    if leaf is None:
        yield Fault(FindingKind.NOT_SEQUENCED, "the row has no leaf: the sequencer did not insert it")
        if not inspection.is_authentic:
            yield Fault(FindingKind.MAC_MISMATCH, "the row is not one that the application wrote")
    elif inspection.leaf != leaf and inspection.is_authentic:
        yield Fault(
            FindingKind.ENTRY_ALTERED, "the leaf, or the id of its row, was altered: the row's MAC holds"
        )
    elif inspection.leaf != leaf:
        yield Fault(FindingKind.ENTRY_ALTERED, "the row was altered: its columns are not those of the leaf")
    elif not inspection.is_authentic:
        yield Fault(
            FindingKind.MAC_MISMATCH, "the row's MAC does not hold: the application did not write it so"
        )
