"""Counts the commits of an event-loop writer."""

from collections.abc import Sequence

from kernel.observability.deferred import Deferred, observe_all
from kernel.observability.metrics import audit_batch_size, audit_commit_seconds


class CommitMetrics(Deferred[tuple[int, float]]):
    """Takes the entries of a commit and the seconds that it took."""

    def __init__(self) -> None:
        super().__init__(_observe)


def _observe(commits: Sequence[tuple[int, float]]) -> None:
    entries, seconds = zip(*commits, strict=True)
    observe_all(audit_batch_size, entries)
    observe_all(audit_commit_seconds, seconds)
