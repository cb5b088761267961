import pytest

from bench import filling
from bench.explain import label_of, plan_of
from bench.growth import OPERATIONS, Growth, figures
from bench.load import Load
from bench.reads import Wait, reads, wait_of

SCAN = {
    "Node Type": "Seq Scan",
    "Relation Name": "audit_bundles",
    "Plan Rows": 9,
    "Actual Rows": 1,
    "Actual Loops": 3,
    "Rows Removed by Filter": 4,
}
LOOKUP = {
    "Node Type": "Bitmap Heap Scan",
    "Relation Name": "audit_logs",
    "Actual Rows": 2.0,
    "Actual Loops": 1,
    "Rows Removed by Index Recheck": 5,
    "Plans": [
        {"Node Type": "Bitmap Index Scan", "Index Name": "idx_a", "Actual Rows": 7, "Actual Loops": 1},
        {"Node Type": "Bitmap Index Scan", "Index Name": "idx_a", "Actual Rows": 7, "Actual Loops": 1},
    ],
}
JOIN = {
    "Node Type": "Nested Loop",
    "Plan Rows": 40,
    "Actual Rows": 2,
    "Actual Loops": 1,
    "Shared Hit Blocks": 10,
    "Shared Read Blocks": 1,
    "Plans": [SCAN, LOOKUP],
}


def test_a_plan_shows_what_was_read_and_how():
    plan = plan_of("lag", "select audit_logs", {"Plan": JOIN, "Execution Time": 0.123})

    assert plan.access == ("all of audit_bundles", "idx_a")
    assert (plan.expected, plan.rows, plan.read, plan.pages) == (40, 2, 15 + 7, 11)
    assert plan.cells()[-1] == "0.123"
    assert plan.is_conclusive


@pytest.mark.parametrize(("rows", "is_conclusive"), [(1, False), (1000, True)])
def test_a_plan_of_a_tiny_table_is_inconclusive(rows, is_conclusive):
    pages = {"Shared Hit Blocks": 1, "Shared Read Blocks": 0}
    plan = {**SCAN, **pages, "Actual Rows": rows}
    assert (
        plan_of("lag", "select audit_bundles", {"Plan": plan, "Execution Time": 1}).is_conclusive
        is is_conclusive
    )


@pytest.mark.parametrize(
    ("sql", "label"),
    [
        ('SELECT "a"."id" FROM "a" INNER JOIN "b" ON TRUE', "select a"),
        ('SELECT COUNT(*) FROM (SELECT 1 FROM "audit_logs" LIMIT 9) s', "count audit_logs"),
        ("DELETE FROM audit_bundles WHERE TRUE", "delete audit_bundles"),
        ('UPDATE "audit_tree" SET size = 1', "update audit_tree"),
        ("INSERT INTO usage_rollups (key_id) VALUES (%s)", "insert usage_rollups"),
        ("SELECT clock_timestamp()", ""),
        ("SAVEPOINT a", ""),
    ],
)
def test_a_statement_is_called_by_its_verb_and_first_table(sql, label):
    assert label_of(sql) == label


def growth(rate, errors=0):
    empty = [dict.fromkeys(OPERATIONS, Load(each, 1, 10, 20, 0, 0)) for each in (900, 1100)]
    full = dict.fromkeys(OPERATIONS, Load(rate, 1, 20, 30, errors, 0))
    return Growth(empty, full, {"one key": Wait(1, 59)}, [])


@pytest.mark.parametrize(
    ("rate", "errors", "verdict"), [(900, 0, "yes"), (899, 0, "NO"), (900, 2, "NO: 2 errors")]
)
def test_the_full_database_is_compared_with_the_median_of_the_empty_ones(rate, errors, verdict):
    *rates, wait = (figure.cells() for figure in figures(growth(rate, errors), 10))
    assert [row[0].partition(",")[0] for row in rates] == ["encrypt", "encrypt", "decrypt", "decrypt"]
    speed, tail = rates[:2]

    assert speed[2] == "empty 1,000/s (900, 1,100)"
    assert speed[-1] == verdict
    assert tail[1:4] == ["20 ms", "empty 10 ms (10, 10)", "2 x"]
    assert (wait[1], wait[-1]) == ("59 ms (p50 1)", "yes")


def test_waits_are_reported_by_their_quantiles():
    assert wait_of(range(101)) == Wait(50, 95)


def test_each_read_has_a_name_of_its_own():
    names = [read.what for read in reads("key", 1000)]
    assert len(names) == len(set(names))


def test_every_entry_is_filled_in_once(monkeypatch):
    monkeypatch.setattr(filling, "CHUNK", 4)
    assert list(filling.chunks(10)) == [(0, 3), (4, 7), (8, 9)]
