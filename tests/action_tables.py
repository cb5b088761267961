"""The tables of ``docs/audit-log.md``, made from the labels of the audit actions.

``python -m tests.endpoint_tables`` rewrites them. A row keeps its cells after the label, which are written by hand.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from kernel.actions import Actions
from tests.algorithm_tables import fill, table
from tests.architecture.sources import ROOT, calls, nodes, product_files

PAGE: Final = ROOT / "docs" / "audit-log.md"
_ROW: Final = re.compile(r"^\| `([a-z_.]+)` \| [^|]*\|(.*)\|$", re.MULTILINE)
# The product names these outside of rules too, but records no success of them.
_REFUSED_ONLY: Final = {
    "accounts.setup.read",
    "api.request.refused",
    "api.refusals.overflowed",
    "service.metrics.read",
}


def page() -> str:
    """The text of the page with its tables as they must be."""
    labels, constants = _declared()
    recorded = {code for name, code in constants if name in _named_outside_rules()} - _REFUSED_ONLY
    written = {code: cells.split("|") for code, cells in _ROW.findall(PAGE.read_text())}

    def rows(codes: set[str], columns: int) -> Iterator[list[str]]:
        for code in sorted(codes):
            cells = ["", *written.get(code, [""])][-columns:]
            yield [f"`{code}`", labels[code], *(cell.strip() for cell in cells)]

    tables = {
        "recorded actions": table(("action", "label", "object", ""), rows(recorded, 2)),
        "refused actions": table(("action", "label", ""), rows(labels.keys() - recorded, 1)),
    }
    return fill(PAGE, tables)


def labels() -> dict[str, str]:
    """The label of each action of the product."""
    return {code: label for each in all_labels() for code, label in each.items()}


def all_labels() -> list[Actions]:
    """The labels of each app."""
    return [
        importlib.import_module(f"{path.parent.name}.actions").LABELS for path in ROOT.glob("*/actions.py")
    ]


def _declared() -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The label of each action, and the names and values of the constants."""
    labels, constants = {}, []
    for path in ROOT.glob("*/actions.py"):
        module = importlib.import_module(f"{path.parent.name}.actions")
        labels |= module.LABELS
        constants += [(name, value) for name, value in vars(module).items() if isinstance(value, str)]
    return labels, [(name, value) for name, value in constants if value in labels]


@cache
def _named_outside_rules() -> set[str]:
    """The names that the product uses, except those that are only arguments of rules."""
    found = set()
    for path in product_files():
        rules = [call for call in calls(path) if getattr(call.func, "id", "") == "Rule"]
        in_rules = {id(node) for rule in rules for node in ast.walk(rule)}
        others = (node for node in nodes(path) if id(node) not in in_rules and path.name != "actions.py")
        found |= {getattr(node, "attr", getattr(node, "id", "")) for node in others}
    return found
