"""The links of stored checkpoints: each names earlier ones, so a deleted checkpoint is detected."""

from collections.abc import Container, Iterator

from audit.log.canonical import format_timestamp
from audit.sequencing.checkpoints.links import Link, thinned_before
from audit.verification.findings import Finding, FindingKind
from kernel.clock import database_now


class Links:
    """``stored`` are the sizes of the stored checkpoints. Check them in ascending order."""

    def __init__(self, stored: Container[object]) -> None:
        self._stored = stored
        self._required_beyond: int | None = None  # every checkpoint of more entries has a link
        self._missed: set[object] = set()
        self._thinned_before = format_timestamp(thinned_before(database_now()))

    def require(self, beyond: int) -> None:
        """Require a link of every checkpoint with more entries than this."""
        if self._required_beyond is None:
            self._required_beyond = beyond

    def check(self, link: Link, mac: object, signed_at: str) -> Iterator[Finding]:
        """``signed_at`` has the spelling of an entry."""
        if (link.previous, link.kept, mac) == (None, None, None):
            if self._required_beyond is not None and link.size > self._required_beyond:
                text = f"the checkpoint of {link.size} has lost its link to those before it"
                yield Finding(FindingKind.CHECKPOINT, text)
            return
        self.require(link.size)
        if not link.holds(mac):
            yield Finding(FindingKind.CHECKPOINT, f"the link of the checkpoint of {link.size} was altered")
            return
        named = {link.kept} if signed_at < self._thinned_before else {link.kept, link.previous}
        for size in named - {0} - self._missed:
            if size not in self._stored:
                self._missed.add(size)
                text = f"the checkpoint of {size}, which that of {link.size} names, was deleted"
                yield Finding(FindingKind.CHECKPOINT, text)
