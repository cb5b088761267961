"""Each method of each view has a rule, with a permission and an action that roles and the audit log define."""

import importlib
import re
from enum import EnumType

import pytest

from accounts.roles import PERMISSIONS
from kernel.rest.views import ApiView
from kernel.rules import Access
from tests.architecture.sources import ROOT, calls, name, product_files
from tests.endpoints import ENDPOINTS, all_routes

# The packages that declare audit actions.
DECLARING = [path.parent.name for path in sorted(ROOT.glob("*/actions.py"))]
HTTP_METHODS = ("get", "post", "put", "patch", "delete")
ACTION = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")
# Plain Django views for monitoring: open to all, read-only, without access to data.
WITHOUT_RULES = {"health", "livez", "readyz", "metrics", "version"}
VIEWS = {route.name: route.view.cls for route in all_routes() if hasattr(route.view, "cls")}
# An action word may be recorded by one act only, unless the acts mean the same to a reader of the log.
SHARED = {
    "audit.log.read": "the list and one entry of it",
    "crypto.message.encrypted": "of one message and of many: the count tells",
    "crypto.message.decrypted": "likewise",
    "crypto.message.signed": "likewise",
    "crypto.signature.verified": "likewise",
    "crypto.mac.computed": "likewise",
    "crypto.mac.verified": "likewise",
    "crypto.message.reencrypted": "likewise, a page of a job",
    "keys.public_key.read": "of one version and of all",
    "keys.grant.listed": "on a key, on tags",
    "keys.grant.created": "likewise",
    "keys.grant.removed": "likewise",
    "accounts.session.revoked": "one session and all others: the log has an entry for each",
}


def declared_actions():
    """``{word: package}`` of every constant in an ``actions`` module."""
    found = {}
    for package in DECLARING:
        for value in vars(importlib.import_module(f"{package}.actions")).values():
            words = [member.value for member in value] if isinstance(value, EnumType) else [value]
            found |= {word: package for word in words if isinstance(word, str) and ACTION.fullmatch(word)}
    return found


def test_every_view_of_the_api_has_rules():
    assert {route.name for route in all_routes()} - set(VIEWS) == WITHOUT_RULES
    assert all(issubclass(view, ApiView) for view in VIEWS.values())


@pytest.mark.parametrize("name", VIEWS)
def test_the_methods_that_are_implemented_are_those_with_a_rule(name):
    implemented = {method.upper() for method in HTTP_METHODS if hasattr(VIEWS[name], method)}
    assert implemented == set(VIEWS[name].rules) == set(ENDPOINTS[name])


@pytest.mark.parametrize("name", VIEWS)
def test_every_rule_asks_for_a_permission_that_roles_know(name):
    for rule in VIEWS[name].rules.values():
        assert isinstance(rule.permission, Access) or rule.permission in PERMISSIONS


@pytest.mark.parametrize("name", VIEWS)
def test_every_rule_has_an_action_that_its_own_app_declares(name):
    for rule in VIEWS[name].rules.values():
        assert declared_actions()[str(rule.action)] == VIEWS[name].__module__.split(".")[0]


def test_one_word_means_one_act():
    views_by_action = {}
    for view, rules in ((view, view.rules) for view in VIEWS.values()):
        for method, rule in rules.items():
            views_by_action.setdefault(str(rule.action), set()).add((view, method))
    assert {word for word, several in views_by_action.items() if len(several) > 1} == set(SHARED)


def test_no_action_is_declared_twice():
    words = [
        word
        for package in DECLARING
        for word in re.findall(r'"([a-z_]+\.[a-z_]+\.[a-z_]+)"', (ROOT / package / "actions.py").read_text())
    ]
    assert sorted(words) == sorted(declared_actions())


def test_events_and_rules_take_their_action_from_a_declaration():
    """An event takes its action from an ``actions`` module, so that these files define all action words."""
    spelt = [
        f"{name(path)}:{call.lineno}"
        for path in product_files()
        for call in calls(path)
        if getattr(call.func, "id", "") in {"Event", "Rule"}
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]
        if ACTION.fullmatch(str(getattr(argument, "value", "")))
    ]
    assert spelt == []
