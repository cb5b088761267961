"""The rules and dashboards in ``deploy/``: their queries, and the metrics that these name.

Run as a program, it prints the dashboards' queries as a rules file for promtool.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.architecture.sources import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
WORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring"}
SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}")


def rules() -> Iterator[dict[str, Any]]:
    for path in sorted((PROMETHEUS / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def queries_of(board: dict[str, Any]) -> Iterator[str]:
    yield from (annotation["expr"] for annotation in board["annotations"]["list"])
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def dashboard_queries() -> list[str]:
    return [query for path in DASHBOARDS for query in queries_of(json.loads(path.read_text()))]


def metrics_in(query: str) -> set[str]:
    """The names of the metrics that a PromQL query selects."""
    bare = re.sub(r'"[^"]*"', "", query)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", bare)
    bare = re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)", " ", bare)
    return set(re.findall(r"[a-zA-Z_:][\w:]*\b(?!\s*\()", bare)) - WORDS


def labels_in(query: str) -> Iterator[tuple[str, set[str]]]:
    """The metrics with the labels by which a query selects."""
    for name, matchers in SELECTOR.findall(query):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', "", matchers)))


def _as_rules(queries: list[str]) -> str:
    named = [
        {"record": f"dashboard:query:{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate(queries)
    ]
    return yaml.safe_dump({"groups": [{"name": "dashboards", "rules": named}]})


if __name__ == "__main__":
    print(_as_rules(dashboard_queries()))
