"""The lag of log targets, in metrics and as a condition that needs a decision."""

import math
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from audit.forwarding.lags import late_targets, set_gauges
from audit.models import LogTarget
from audit.sequencing.tree import read_tree
from audit.services import log_targets
from kernel.clock import database_now
from tests.audit.forwarding.conftest import run
from tests.clocks import travel

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def gauge(name, target):
    return REGISTRY.get_sample_value(f"log_target_{name}", {"target": target})


def test_metrics_have_the_lag_of_each_enabled_target(log, new_target, receiver, admin):
    behind = new_target("relp://siem.example.org:2514", name="behind", size=4)
    run(new_target(receiver.url, name="ready"))
    set_gauges()
    assert gauge("lag_entries", "behind") == read_tree().size - 4
    assert 0 < gauge("lag_seconds", "behind") < 60
    assert gauge("lag_entries", "ready") == read_tree().size - LogTarget.objects.get(name="ready").size
    log_targets.disable_log_target(principal=admin.principal, target_id=behind.id)
    set_gauges()
    assert math.isnan(gauge("lag_entries", "behind"))


def test_failures_are_counted(log, new_target, receiver):
    receiver.response = 503
    run(new_target(receiver.url, name="counted"))
    assert gauge("failures_total", "counted") == 1


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({}, None),
        ({"failing_since": timedelta(seconds=299), "last_error": "E."}, None),
        (
            {"failing_since": timedelta(seconds=301), "last_error": "E."},
            "Deliveries to the log target siem fail. E.",
        ),
        ({"stopped_reason": "R."}, "The log target siem has stopped. R."),
        ({"stopped_reason": "R.", "is_enabled": False}, None),
    ],
)
def test_a_target_that_fails_for_five_minutes_or_stops_needs_a_decision(columns, problem, log, new_target):
    target = new_target("relp://siem.example.org:2514", size=None)
    now = database_now()
    for name, value in columns.items():
        setattr(target, name, now - value if isinstance(value, timedelta) else value)
    target.save_with_mac()
    assert [text for _, text in late_targets(now)] == ([problem] if problem else [])


@pytest.mark.parametrize("is_enabled", [True, False])
def test_a_target_whose_row_was_altered_needs_a_decision(is_enabled, log, new_target):
    new_target("relp://siem.example.org:2514", size=None)
    LogTarget.objects.update(is_enabled=is_enabled, actions=["accounts."])
    [(_, text)] = late_targets(database_now())
    assert text.startswith("The row of the log target siem was altered")


def test_a_target_that_lags_for_five_minutes_needs_a_decision(log, new_target):
    new_target("relp://siem.example.org:2514", size=0)
    now = database_now()
    assert late_targets(now) == []
    with travel(now + timedelta(minutes=6)):
        [(_, text)] = late_targets(database_now())
    assert text == f"The log target siem is {read_tree().size} entries behind the log."
