"""The progress of a backup or a restore, in rows of all tables."""

from collections.abc import Callable

# (rows done, rows in total)
type ReportProgress = Callable[[int, int], None]


class RowCounter:
    """Reports the rows that are done."""

    def __init__(self, total: int, report: ReportProgress) -> None:
        self.done = 0
        self._total, self._report = total, report

    def add(self, rows: int) -> None:
        self.done += rows
        self._report(self.done, self._total)
