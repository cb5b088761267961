"""Check the keys that sign checkpoints: each row is as the application wrote it, and published in the log."""

from collections.abc import Iterator, Sequence

from audit.models import CheckpointKey
from audit.tlog.checkpoint import VerifierKey
from audit.verification.findings import Finding, FindingKind
from audit.verification.leaves import Seen
from audit.verification.protected_rows import stored_rows


class StoredKeys:
    """``keys`` are those with a valid row."""

    def __init__(self, origin: str) -> None:
        self.keys: list[VerifierKey] = []
        self._altered: list[str] = []
        self._published: set[str] = set()
        for kid, row in stored_rows(CheckpointKey, order=("created_at", "algorithm")):
            if row is None:
                self._altered.append(str(kid))
            else:
                self.keys.append(VerifierKey(origin, row.algorithm, bytes(row.public_key)))

    def check(self, seen: Sequence[Seen]) -> Iterator[Finding]:
        """Remember the keys that the entries publish. There are no findings here."""
        for row in seen:
            if row.inspection.is_authentic:
                self._published.update(row.inspection.published)
        yield from ()

    def finish(self) -> Iterator[Finding]:
        """After every entry: report altered rows, missing rows, and keys that were never published."""
        for kid in self._altered:
            yield Finding(FindingKind.KEY, f"the row of the key {kid} was altered: its MAC does not hold")
        stored = {key.vkey for key in self.keys}
        for vkey in sorted(stored - self._published):
            yield Finding(FindingKind.KEY, f"the key {vkey} was never published in the log")
        # Each altered row accounts for one of them.
        for vkey in sorted(self._published - stored)[len(self._altered) :]:
            yield Finding(FindingKind.KEY, f"the log publishes the key {vkey}, and its row is not there")
