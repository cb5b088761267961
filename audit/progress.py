"""The progress of a long operation on the log or on all tables."""

from collections.abc import Callable

# (entries or rows done, in total)
type ReportProgress = Callable[[int, int], None]


class RowCounter:
    """Reports the rows that are done."""

    def __init__(self, total: int, report: ReportProgress) -> None:
        self.done = 0
        self._total, self._report = total, report

    def add(self, rows: int) -> None:
        self.done += rows
        self._report(self.done, self._total)
