import math

import pytest

from bench import report, table
from bench.crowds import Crowd
from bench.figures import FAST_PATH, OPENBAO, REST_ALONE, Results, figures
from bench.load import Load
from bench.table import Figure, Goal, number

RATE = Goal(2.5, 3)
TAIL = Goal(0.25, 0.1, lower=True)


@pytest.mark.parametrize(
    ("goal", "value", "verdict"),
    [
        (RATE, 2.49, "NO"),
        (RATE, 2.5, "yes"),
        (RATE, 2.99, "yes"),
        (RATE, 3, "stretch"),
        (TAIL, 0.26, "NO"),
        (TAIL, 0.25, "yes"),
        (TAIL, 0.1, "stretch"),
        (TAIL, math.inf, "NO"),
        (TAIL, math.nan, "NO"),
        (Goal(0.7), 1000, "yes"),
        (Goal(None, 100, lower=True), 101, "not the stretch"),
        (Goal(None, 100, lower=True), 100, "stretch"),
    ],
)
def test_a_verdict_compares_the_figure_with_goal_and_stretch(goal, value, verdict):
    assert goal.verdict(value) == verdict


def test_no_figure_is_met_where_requests_failed():
    assert RATE.verdict(100, errors=3) == "NO: 3 errors"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0407, "0.0407"),
        (2.5, "2.5"),
        (3.0, "3"),
        (99.96, "100"),
        (19_432, "19,400"),
        (math.inf, "inf"),
    ],
)
def test_numbers_have_three_digits_that_count(value, text):
    assert number(value) == text


def test_a_missing_measurement_has_a_line_with_its_reason():
    lines = figures(Results(absent={"batch"}))
    assert len(lines) == 37
    assert all(line.value is None for line in lines)
    verdicts = {line.what: line.cells()[-1] for line in lines}
    assert verdicts["batch of 400 messages of 64 B"] == "not there"
    assert verdicts["encrypt, c=1: rate"] == "not measured"


def singles(ours, theirs):
    return {(FAST_PATH, "encrypt", 32): ours, (OPENBAO, "encrypt", 32): theirs}


def lines_of(results):
    return {line.what: line.cells() for line in figures(results)}


def test_single_messages_are_compared_with_openbao_in_rate_and_tail():
    results = Results(singles=singles(Load(16_000, 1, 2, 3, 0, 0), Load(5_000, 5, 20, 30, 0, 0)))
    results.singles[REST_ALONE, "encrypt", 32] = Load(400, 1, 2, 3, 0, 0)
    lines = lines_of(results)

    assert lines["encrypt, c=32: rate"] == [
        "encrypt, c=32: rate", "16,000/s", "OpenBao transit 5,000/s", "3.2 x", "≥ 4 x", "≥ 5 x", "NO",
    ]  # fmt: skip
    assert lines["encrypt, c=32: p95"][1:4] == ["2 ms", "OpenBao transit 20 ms", "0.1 x"]
    assert lines["encrypt, c=32: rate, to the REST interface's"][3] == "40 x"
    assert lines["encrypt, c=256: rate"][-1] == "not measured"


def test_the_mix_has_figures_and_a_table_of_its_own():
    loads = {OPENBAO: 1_000, FAST_PATH: 2_000}
    results = Results(singles={(name, "mix", 32): Load(rate, 1, 2, 3, 0, 0) for name, rate in loads.items()})
    assert lines_of(results)["mix, c=32: rate"][1:4] == ["2,000/s", "OpenBao transit 1,000/s", "2 x"]

    alone = report.report(results, [], table.markdown)
    results.singles |= singles(Load(16_000, 1, 2, 3, 0, 0), Load(5_000, 5, 20, 30, 0, 0))
    both = report.report(results, [], table.markdown)
    assert [each.count("| operation | c |") for each in (alone, both)] == [1, 2]
    assert "| mix | 32 | CipherCanary | 2,000 | 2 x |" in both.rpartition("| operation |")[2]


def test_a_contestant_that_never_responds_gives_no_ratio_and_no_crash():
    silent = Load(0, math.inf, math.inf, math.inf, 0, 32)
    lines = lines_of(Results(singles=singles(Load(16_000, 1, 2, 3, 0, 0), silent)))
    assert lines["encrypt, c=32: rate"][-1] == "OpenBao transit gave no response"


def test_connections_are_met_without_one_error_only():
    crowd = {
        1000: Crowd(Load(9000, 1, 90, 200, 0, 0), 110_000_000),
        5000: Crowd(Load(9000, 1, 2, 3, 0, 1), 1),
    }
    lines = lines_of(Results(crowds=crowd))

    assert lines["1,000 keep-alive connections"][-1] == "yes"
    assert lines["5,000 keep-alive connections"][-1] == "NO"
    assert lines["1,000 keep-alive connections: p95"][-1] == "stretch"
    assert lines["memory of a web worker meanwhile"][1::5] == ["110 MB", "NO: 1 errors"]


def test_both_renderings_hold_every_cell():
    rows = [Figure("encrypt", RATE, 2.6, measured="260/s", against="100/s", ratio=2.6).cells()]

    markdown = table.markdown(table.HEADINGS, rows)
    assert markdown.splitlines()[2] == "| encrypt | 260/s | 100/s | 2.6 x | ≥ 2.5 x | ≥ 3 x | yes |"
    assert (
        table.terminal(table.HEADINGS, rows).splitlines()[1].split()
        == markdown.splitlines()[2].replace("|", "").split()
    )


@pytest.mark.parametrize("marks", [report.RESULTS, report.GROWTH, report.INDEXES])
def test_the_page_has_room_for_the_tables(marks):
    begin, end = marks
    page = report.PAGE.read_text()
    assert page.count(begin) == page.count(end) == 1
    assert page.index(begin) < page.index(end)
