"""The use of keys as columns of a chart."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from audit.services.usage import DAY, Used
from ciphercanary.pages.chart import Column


def columns(step: timedelta, steps: Iterable[tuple[datetime, Used]]) -> list[Column]:
    """One for each step of ``used_over_time``, by its begin: an hour or a day."""
    spelling = "%Y-%m-%d %H:00Z" if step < DAY else "%Y-%m-%d"
    return [Column(f"{start:{spelling}}", used.done, used.denied, used.failed) for start, used in steps]
