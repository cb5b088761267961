"""The drawing of a chart stays inside its frame, and matches the numbers."""

from itertools import pairwise

import pytest

from kernel.pages.chart import HEIGHT, WIDTH, Chart, Column

MIXED = [Column("a", 5), Column("b", 0), Column("c", 1_000_000, denied=3, failed=4), Column("d", 0, denied=1)]


@pytest.mark.parametrize("columns", [MIXED, MIXED * 60, [Column("a", 1)], [Column("a", 0)] * 24, []])
def test_every_bar_stays_inside_the_drawing(columns):
    drawn = Chart("Use", "Hour", columns).drawn
    bars = [bar for each in drawn for bar in (each.done, each.refused) if bar]
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH + 0.01 for bar in bars)
    assert all(
        bar.y >= 0 and bar.y + bar.height <= HEIGHT + 3 for bar in bars
    )  # values too small to see get a height of 2


def test_bars_stand_side_by_side_in_order():
    drawn = Chart("Use", "Hour", [Column(str(number), 1) for number in range(30)]).drawn
    assert all(left.done.x + left.done.width <= right.done.x for left, right in pairwise(drawn))


def test_what_was_refused_stands_on_what_was_done():
    [only] = Chart("Use", "Hour", [Column("a", 3, denied=1)]).drawn
    assert (only.done.height, only.refused.height) == (HEIGHT * 3 / 4, HEIGHT / 4)
    assert only.refused.y + only.refused.height == only.done.y


def test_what_happened_once_is_seen_and_nothing_is_not_drawn():
    drawn = Chart("Use", "Hour", MIXED).drawn
    assert drawn[3].refused.height >= 2
    assert drawn[3].done is None
    assert (drawn[1].done, drawn[1].refused) == (None, None)


def test_the_sums_are_those_of_the_columns():
    chart = Chart("Use", "Hour", MIXED)
    assert (chart.done, chart.refused, chart.peak) == (1_000_005, 8, 1_000_007)
