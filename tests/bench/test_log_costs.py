import os
import subprocess
import time

import pytest

from bench.load import Load
from bench.log_costs import CPU, HEADINGS, Cost
from bench.sustained import adapted, memory_rows
from bench.watch import children_of, cpu_seconds, family_cpu_seconds

TOTALS = {"entries": 1_000, "rows": 50, "bytes": 90_000, "indexes": 30_000, "WAL": 250_000}
BUSY = "i=0; while [ $i -lt 90000 ]; do i=$((i+1)); done; echo done; read _"


def test_costs_are_those_of_one_entry():
    cost = Cost(Load(20_000, 1, 2, 3, 4, 1), TOTALS | dict(zip(CPU, (0.03, 0.02, 0.01), strict=True)))
    cells = dict(zip(HEADINGS, cost.cells("c=32"), strict=True))
    assert list(cells.values()) == [
        "c=32", "20,000", "5", "1,000", "20", "90", "30", "250", "30", "20", "10",
    ]  # fmt: skip


@pytest.mark.parametrize("total", [0, 1])
def test_a_load_without_entries_has_no_costs_and_no_crash(total):
    cost = Cost(Load(0, 1, 2, 3, 0, 9), dict.fromkeys([*TOTALS, *CPU], total))
    assert cost.cells("c=1")[3:6] == [str(total)] * 3


def test_a_process_has_its_user_and_its_system_time():
    until = time.process_time() + 0.06
    while time.process_time() < until:
        pass
    assert cpu_seconds(os.getpid()) == pytest.approx(time.process_time(), abs=0.025)


def test_the_time_of_a_child_belongs_to_the_family_while_it_runs_and_afterwards():
    before = family_cpu_seconds(os.getpid())
    with subprocess.Popen(["sh", "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        burned = cpu_seconds(child.pid)
        while_it_runs = family_cpu_seconds(os.getpid()) - before
        child.stdin.close()
    afterwards = family_cpu_seconds(os.getpid()) - before
    assert burned > 0.02
    assert [while_it_runs, afterwards] == pytest.approx([burned] * 2, abs=0.1)


def test_children_are_those_that_run():
    with subprocess.Popen(["sleep", "60"]) as child:
        assert child.pid in children_of(os.getpid())
        child.kill()
    assert child.pid not in children_of(os.getpid())


@pytest.mark.parametrize(
    ("lags", "connections"),
    [
        ([0, 11], 128),
        ([0, 10], 256),  # not too large
        ([12, 12, 11], 256),  # falls
        ([30, 11, 12, 13, 14], 128),  # only the last half minute counts
        ([14, 11, 12, 13], 256),
        ([9, 9, 14, 13], 256),
    ],
)
def test_a_lag_that_grows_halves_the_connections(lags, connections):
    assert adapted(256, lags) == connections


def test_one_connection_is_left():
    assert adapted(1, [0, 60]) == 1


def test_memory_has_its_start_its_end_and_its_peak():
    seen = [{"sequencer": size * 1_000_000} for size in (100, 140, 120)]
    assert memory_rows(seen) == [["sequencer", "100", "120", "140"]]
