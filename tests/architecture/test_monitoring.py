"""Alerts and dashboards name only metrics that the product exports, and each alert is tested and documented."""

import json
import re

import pytest
import yaml
from django.core.handlers.wsgi import WSGIHandler
from prometheus_client import REGISTRY, generate_latest

import crypto_ops.fast_path.routes
import kernel.databases.postgresql.base
from kernel.observability import metrics
from tests.architecture.dashboards import (
    DASHBOARDS,
    PROMETHEUS,
    alerts,
    dashboard_queries,
    labels_in,
    metrics_in,
    queries_of,
    rules,
)
from tests.architecture.sources import ROOT

PROMETHEUS_OWN = {"up", "ALERTS"}
TARGET_LABELS = {"job", "instance", "le"}
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
QUERIES = [rule["expr"] for rule in rules()] + dashboard_queries()


@pytest.fixture(scope="module")
def exported():
    """The names of all series of ``/metrics``, also of those that have no sample yet."""
    WSGIHandler()  # loads the middleware, which registers Django's metrics
    assert crypto_ops.fast_path.routes.ROUTES
    assert kernel.databases.postgresql.base.database_pool_timeouts_total  # on SQLite, nothing else loads it
    text = generate_latest(REGISTRY).decode()
    types = re.findall(r"^# TYPE (\S+) (\w+)$", text, re.MULTILINE)
    return {name + suffix for name, kind in types for suffix in SUFFIXES.get(kind, ("",))}


@pytest.fixture(scope="module")
def recorded():
    return {rule["record"] for rule in rules() if "record" in rule}


def test_every_query_names_metrics_that_exist(exported, recorded):
    unknown = {query: metrics_in(query) - exported - recorded - PROMETHEUS_OWN for query in QUERIES}
    assert {query: names for query, names in unknown.items() if names} == {}
    assert all(metrics_in(query) for query in QUERIES)


def test_every_label_that_a_query_selects_by_exists(recorded):
    collectors = REGISTRY._names_to_collectors
    for query in QUERIES:
        for name, labels in labels_in(query):
            if name not in recorded | PROMETHEUS_OWN:
                known = getattr(collectors[name], "_labelnames", ())
                assert labels <= {*known, *TARGET_LABELS}, (name, labels)


def test_a_metric_or_label_that_does_not_exist_would_be_noticed():
    query = 'sum by (kind) (rate(jobs_total{kind!="x", state=~"a|b"}[5m])) / on (kind) max(jobs) > bool 0 or vector(1)'
    assert metrics_in(query) == {"jobs_total", "jobs"}
    assert list(labels_in(query)) == [("jobs_total", {"kind", "state"})]


@pytest.mark.parametrize("name", alerts())
def test_each_alert_has_a_severity_texts_and_a_runbook(name):
    rule = alerts()[name]
    assert set(rule["labels"]) == {"severity"}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{name.lower()}"
    assert f"\n## {name}\n" in (ROOT / "docs" / "runbooks.md").read_text()
    assert f"`{name}`" in (ROOT / "docs" / "monitoring.md").read_text()


def test_each_alert_is_seen_to_fire_and_not_to_fire():
    seen = {True: set(), False: set()}
    for path in (PROMETHEUS / "tests").glob("*.yml"):
        for case in yaml.safe_load(path.read_text())["tests"]:
            for test in case["alert_rule_test"]:
                seen[bool(test["exp_alerts"])].add(test["alertname"])
    assert seen[True] == seen[False] == set(alerts())


def test_every_own_metric_is_documented():
    page = (ROOT / "docs" / "monitoring.md").read_text()
    own = {name for name, value in vars(metrics).items() if name.islower() and hasattr(value, "describe")}
    assert {name for name in own | {"database_pool_timeouts_total"} if f"`{name}`" not in page} == set()


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_each_panel_is_complete(path):
    board = json.loads(path.read_text())
    assert board["uid"] == path.stem
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource"]
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(numbers) == len(set(numbers)) > 0
    for panel in board["panels"]:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(
            target["legendFormat"] and target["datasource"] == panel["datasource"]
            for target in panel["targets"]
        )
    assert list(queries_of(board))


def test_dashboards_have_names_of_their_own():
    boards = [json.loads(path.read_text()) for path in DASHBOARDS]
    assert (
        len({board["uid"] for board in boards})
        == len({board["title"] for board in boards})
        == len(DASHBOARDS)
        == 4
    )
