"""The drawing of a chart stays inside its frame, and matches the numbers."""

from itertools import pairwise

import pytest

from kernel.pages.chart import Chart, Column, compact

MIXED = [Column("a", 5), Column("b", 0), Column("c", 1_000_000, denied=3, failed=4), Column("d", 0, denied=1)]


def chart_of(*columns):
    return Chart("Use", "hour", columns)


def ticks_of(peak):
    return [tick.text for tick in chart_of(Column("a", peak)).y_ticks]


@pytest.mark.parametrize("columns", [MIXED, MIXED * 60, [Column("a", 1)], [Column("a", 0)] * 24, []])
def test_every_bar_stays_inside_the_drawing(columns):
    bars = [bar for _, bars in chart_of(*columns).drawn for bar in bars]
    assert all(bar.x >= 0 and bar.x + bar.width <= 100.01 for bar in bars)
    assert all(bar.y >= 0 and bar.y + bar.height <= 100.01 for bar in bars)


def test_bars_are_drawn_in_order_without_overlap():
    drawn = chart_of(*(Column(str(number), 1) for number in range(30))).drawn
    bars = [bar for _, [bar] in drawn]
    assert all(left.x + left.width <= right.x for left, right in pairwise(bars))


def test_the_outcomes_of_a_column_are_stacked_in_proportion_to_the_axis():
    [(_, bars)] = chart_of(Column("a", 4, denied=3, failed=1)).drawn
    assert [(bar.outcome, bar.y, bar.height) for bar in bars] == [
        ("allowed", 50, 50),
        ("denied", 12.5, 37.5),
        ("failed", 0, 12.5),
    ]


def test_a_single_use_has_a_visible_bar_and_zero_has_none():
    drawn = chart_of(*MIXED).drawn
    assert drawn[1][1] == []
    assert [bar.height for bar in drawn[3][1]] == [1.25]


def test_the_sums_are_those_of_the_columns():
    chart = chart_of(*MIXED)
    assert (chart.allowed, chart.denied, chart.failed, chart.peak) == (1_000_005, 4, 4, 1_000_007)


def test_the_axis_begins_at_zero_and_ends_at_a_round_number_above_the_peak():
    assert ticks_of(1) == ["0", "1"]
    assert ticks_of(2) == ["0", "1", "2"]
    assert ticks_of(17) == ["0", "10", "20"]
    assert ticks_of(1_237) == ["0", "800", "1.6k"]
    assert ticks_of(6_000_000) == ["0", "3M", "6M"]
    assert [tick.position for tick in chart_of(Column("a", 7)).y_ticks] == [100, 50, 0]
    assert compact(1_500_000_000) == "1.5G"


def test_a_label_at_the_end_of_the_axis_is_not_cut_off():
    columns = [Column("", 1, tick="" if number == 5 else str(number)) for number in range(24)]
    ticks = chart_of(*columns).x_ticks
    assert [tick.anchor for tick in (ticks[0], ticks[12], ticks[-1])] == ["start", "middle", "end"]
    assert len(ticks) == 23
