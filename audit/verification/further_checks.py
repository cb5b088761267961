"""Checks of other apps, which run in the snapshot of a verification. Each app registers its own when it is ready."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from audit.verification.findings import Finding
from audit.verification.leaves import Seen


class _FurtherCheck(Protocol):
    """One verification."""

    def check(self, seen: Sequence[Seen]) -> Iterator[Finding]:
        """Gets every entry, in the order of the log, those in bundles last."""

    def finish(self) -> Iterator[Finding]:
        """After the last entry."""


_begin: list[Callable[[], _FurtherCheck]] = []  # noqa: CC6 - apps register in AppConfig.ready


def register(begin: Callable[[], _FurtherCheck]) -> None:
    if begin not in _begin:
        _begin.append(begin)


def begin_checks() -> list[_FurtherCheck]:
    """New objects for each verification."""
    return [begin() for begin in _begin]
