"""The tables of ``docs/log-targets.md``, made from the formats. ``python -m tests.endpoint_tables`` rewrites them."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from audit.forwarding.events.ocsf_classes import classified
from audit.forwarding.events.severities import Severity, severity_of
from audit.log import action_labels
from audit.log.events import Outcome
from tests.action_tables import all_labels, labels
from tests.algorithm_tables import fill, table
from tests.architecture.sources import ROOT

PAGE: Final = ROOT / "docs" / "log-targets.md"
_OTHER: Final = 99


def page() -> str:
    """The text of the page with its tables as they must be."""
    for each in all_labels():  # as the apps do when they are ready
        action_labels.register(each)
    tables = {
        "classes of OCSF": table(("class", "activity", "actions that succeed"), _classes()),
        "severities": table(("severity", "actions that succeed", "refused or failed"), _severities()),
    }
    return fill(PAGE, tables)


def _classes() -> Iterator[tuple[str, str, str]]:
    found = defaultdict(list)
    for action in sorted(labels()):
        event_class, activity = classified(action, Outcome.OK)
        found[event_class.uid, event_class.name, activity.uid, activity.name].append(action)
    for (uid, name, number, activity), actions in sorted(found.items()):
        yield f"{name} ({uid})", f"{number} {activity or 'Other'}", _listed(actions)


def _severities() -> Iterator[tuple[str, str, str]]:
    for severity in reversed(Severity):
        cells = [
            _listed([action for action in sorted(labels()) if severity_of(action, outcome) == severity])
            for outcome in (Outcome.OK, Outcome.ERROR)
        ]
        yield f"{severity.value} {severity.word}", *cells


def _listed(actions: list[str]) -> str:
    """The actions by their beginning: ``keys.key.`` ``created``, ``rotated``."""
    by_object = defaultdict(list)
    for action in actions:
        start, _, verb = action.rpartition(".")
        by_object[start].append(verb)
    return "; ".join(f"`{start}.` {', '.join(verbs)}" for start, verbs in by_object.items())
