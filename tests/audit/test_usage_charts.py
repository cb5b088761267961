"""The labels on the axis of usage."""

from datetime import UTC, datetime

import pytest

from audit.usage.charts import RANGES, columns
from audit.usage.sums import Used


@pytest.mark.parametrize(
    ("word", "first", "labels"),
    [
        ("24h", datetime(2026, 11, 26, 18, tzinfo=UTC), {6: "27 Nov", 12: "06:00", 18: "12:00"}),
        ("24h", datetime(2026, 11, 26, 7, tzinfo=UTC), {5: "12:00", 11: "18:00", 17: "27 Nov"}),
        ("7d", datetime(2026, 11, 21, tzinfo=UTC), {0: "21 Nov", 2: "23 Nov", 4: "25 Nov", 6: "27 Nov"}),
    ],
)
def test_labels_are_far_enough_apart_for_a_narrow_screen(word, first, labels):
    chosen = RANGES[word]
    steps = [(first + number * chosen.step, Used()) for number in range(chosen.steps)]
    ticks = [column.tick for column in columns(chosen, steps)]
    assert {number: tick for number, tick in enumerate(ticks) if tick} == labels
