"""Counts the commits of an event-loop writer."""

from collections.abc import Sequence

from kernel.observability.metrics import audit_batch_size, audit_commit_seconds, observe_many


def observe_commits(commits: Sequence[tuple[int, float]]) -> None:
    """Each commit: its number of entries, and its seconds."""
    entries, seconds = zip(*commits, strict=True)
    observe_many(audit_batch_size, entries)
    observe_many(audit_commit_seconds, seconds)
