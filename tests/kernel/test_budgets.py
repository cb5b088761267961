"""The budgets of one process, at times that the test chooses."""

import sys
import threading

import pytest

from kernel.throttle.budgets import REPLY_TIMEOUT, RETRY_SOON, Budgets, Unreported
from kernel.throttle.rates import Rate


def taken(budgets, name="ada", now=0.0, most=200_000):
    """The number of requests that go through at one moment."""
    return next(count for count in range(most) if budgets.take(name, 1, now))


def test_a_bucket_starts_full_empties_and_refills_evenly():
    budgets = Budgets(Rate(10, 10))
    assert taken(budgets) == 10
    assert budgets.take("ada", 1, 0.0) == pytest.approx(1.0, abs=0.01)
    assert budgets.take("ada", 1, 0.9) > 0
    assert taken(budgets, now=1.0) == 1
    assert taken(budgets, now=4.0) == 3
    assert taken(budgets, now=1000.0) == 10


@pytest.mark.parametrize("rate", [Rate(3, 60), Rate(6000, 60), Rate(7777, 3600), Rate(99_999, 1)])
@pytest.mark.parametrize("now", [0.0, 1234567.891, 31_536_000.1])
def test_a_full_bucket_holds_the_rate_regardless_of_the_clock(rate, now):
    assert taken(Budgets(rate), now=now) == pytest.approx(rate.count, rel=1e-3)


def test_the_buckets_of_two_names_are_independent():
    budgets = Budgets(Rate(1, 60))
    assert budgets.take("ada", 1, 0.0) == 0.0
    assert budgets.take("dora", 1, 0.0) == 0.0


def test_buckets_are_bounded_and_the_smallest_debt_is_forgotten():
    budgets = Budgets(Rate(10, 10), capacity=10)
    for number in range(11):
        budgets.take(f"user-{number}", 1 + number % 9, 0.0)
    assert {unreported.name for unreported in budgets.unreported(0.0)} == {
        f"user-{number}" for number in (*range(2, 9), 1, 10)
    }
    assert budgets.take("user-10", 9, 0.0) > 0
    assert budgets.take("user-9", 10, 0.0) == 0.0


def test_a_process_keeps_the_budgets_of_100_000_principals():
    budgets = Budgets(Rate(10, 10))
    budgets._full_at.update(dict.fromkeys(map(str, range(99_999)), 1.0))
    for name, kept in (("ada", 100_000), ("dora", 90_000)):
        budgets.take(name, 1, 0.0)
        assert len(budgets._full_at) == kept


def test_a_principal_without_debt_is_forgotten_first():
    budgets = Budgets(Rate(10, 10), capacity=2)
    budgets.take("ada", 9, 0.0)
    budgets.take("dora", 1, 0.0)
    budgets.take("otto", 1, 5.0)
    assert [unreported.name for unreported in budgets.unreported(5.0)] == ["ada", "otto"]


def test_a_refused_charge_costs_nothing():
    budgets = Budgets(Rate(4, 4))
    budgets.take("ada", 1, 0.0)
    assert budgets.take("ada", 4, 0.0) == pytest.approx(1.0, abs=0.01)
    assert budgets.take("ada", 3, 0.0) == 0.0


def test_a_cost_above_the_whole_budget_passes_when_the_budget_is_full_and_is_paid_later():
    budgets = Budgets(Rate(4, 4))
    assert budgets.take("ada", 1, 0.0) == 0.0
    assert budgets.take("ada", 8, 0.0) == pytest.approx(1.0, abs=0.01)
    assert budgets.take("ada", 8, 1.0) == 0.0
    assert budgets.take("ada", 1, 1.0) == pytest.approx(5.0, abs=0.01)


def test_the_budget_state_shows_the_remainder_and_the_time_of_its_end():
    budgets = Budgets(Rate(60, 60))
    assert budgets.budget_state("ada", 0.0) == (60, 60, 1)
    budgets.take("ada", 20, 0.0)
    assert budgets.budget_state("ada", 0.0) == (60, 40, 20)
    assert budgets.budget_state("ada", 5.5) == (60, 45, 15)
    assert budgets.take("ada", 45, 5.5) == 0.0
    # With nothing left, the relevant moment is that of the next request.
    assert budgets.budget_state("ada", 5.5) == (60, 0, 1)
    budgets.take("dora", 120, 0.0)
    assert budgets.budget_state("dora", 0.0) == (60, 0, 61)


def test_every_charge_of_eight_threads_counts():
    budgets = Budgets(Rate(10_000_000, 60))
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # to provoke races
    try:
        threads = [
            threading.Thread(target=lambda: [budgets.take("ada", 1, 0.0) for _ in range(2000)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert budgets.budget_state("ada", 0.0).remaining == 10_000_000 - 16_000


# --- several processes


@pytest.mark.parametrize(("processes", "share"), [(1, 60), (2, 30), (7, 8), (100, 1)])
def test_each_process_without_contact_to_the_others_has_its_share(processes, share):
    budgets = Budgets(Rate(60, 60), processes=processes)
    assert budgets.budget_state("ada", 0.0).remaining == 60 // processes * processes
    assert taken(budgets) == share
    assert taken(budgets, now=float(processes)) == 1


def together(processes=2):
    budgets = Budgets(Rate(600, 60))
    budgets.count_together(processes)
    return budgets


def test_a_process_runs_ahead_by_its_part_of_a_tenth_and_asks_early():
    budgets = together()
    assert [budgets.alarm.is_set() for _ in range(9) if budgets.take("ada", 1, 0.0) == 0.0] == [
        *[False] * 7,
        True,
        True,
    ]
    assert taken(budgets) == 30 - 9
    assert budgets.take("ada", 1, 0.0) == RETRY_SOON
    assert budgets.budget_state("ada", 0.0).remaining == 570
    assert budgets.take("dora", 1, 0.0) == 0.0


def test_a_reported_amount_may_be_taken_again_except_what_others_took():
    budgets = together()
    assert taken(budgets) == 30
    reported = budgets.unreported(0.0)
    budgets.settle(reported, [43.0], 0.0)  # of 600 in 60 seconds 430 are gone: 400 elsewhere
    budgets.count_together(2)
    assert budgets.unreported(0.0) == []
    assert budgets.budget_state("ada", 0.0).remaining == 170
    assert taken(budgets) == 30
    budgets.settle(budgets.unreported(0.0), [59.0], 0.0)
    budgets.count_together(2)
    assert taken(budgets) == 10


def test_an_amount_taken_during_the_report_stays_unreported():
    budgets = together()
    assert budgets.take("ada", 5, 0.0) == 0.0
    reported = budgets.unreported(0.0)
    assert budgets.take("ada", 2, 0.0) == 0.0
    budgets.settle(reported, [0.5], 0.0)
    assert budgets.unreported(0.0) == [Unreported("ada", 2, pytest.approx(0.2))]
    assert budgets.budget_state("ada", 0.0).remaining == 593


def test_an_exhausted_allowance_requests_another_reconciliation():
    budgets = together()
    budgets.take("ada", 1, 0.0)
    reported = budgets.unreported(0.0)
    taken(budgets)
    budgets.alarm.clear()
    budgets.settle(reported, [0.1], 0.0)
    budgets.count_together(2)
    budgets.take("ada", 2, 0.0)
    assert budgets.alarm.is_set()
    assert budgets.take("ada", 1, 0.0) == RETRY_SOON


def test_a_missing_reconciliation_refuses_requests_only_until_the_timeout():
    budgets = together()
    assert taken(budgets) == 30
    assert budgets.take("ada", 1, REPLY_TIMEOUT * 0.9) == RETRY_SOON
    assert taken(budgets, now=REPLY_TIMEOUT) == 570 + 600 * REPLY_TIMEOUT / 60


def test_a_refilled_amount_is_not_reported_as_debt():
    """Otherwise the hour after an outage would pay for the hour of the outage."""
    budgets = Budgets(Rate(60, 60))
    for second in range(300):
        assert budgets.take("ada", 1, float(second)) == 0.0
    assert budgets.unreported(299.0) == [Unreported("ada", 300, pytest.approx(1.0))]
    assert budgets.unreported(500.0) == [Unreported("ada", 300, 0.0)]


def test_a_refund_of_what_was_reported_is_reported_too():
    budgets = together()
    budgets.take("ada", 5, 0.0)
    budgets.settle(budgets.unreported(0.0), [0.5], 0.0)
    budgets.give_back("ada", 5)
    assert budgets.unreported(0.0) == [Unreported("ada", -5, pytest.approx(-0.5))]
    assert budgets.budget_state("ada", 0.0).remaining == 600
