"""Every refusal has a stable code, one kind, one status, and a line in the documentation."""

import ast
import importlib
import inspect
import re

import pytest

from kernel import errors
from kernel.errors import DomainError
from kernel.http import problems
from tests.architecture.sources import ROOT, calls, constant_text, functions, name, nodes, product_files, tree

KINDS = set(problems.PROBLEM_STATUS)
WITHOUT_KIND = {problems.ProtocolError, problems.InternalError}
CLASS = re.compile(r"_?([A-Z][a-z0-9]+)+")
CODE = re.compile(r"[a-z]+(_[a-z]+)*")
# Codes that several classes share because the caller's reaction is the same.
SHARED = {
    "already_completed": "an earlier request made the change",
    "audit_unavailable": "no response was sent without its record",
    "authentication_failed": "whoever is refused is not told why",
    "outcome_unknown": "the request may have been completed",
    "dependency_unavailable": "the same request may succeed later",
    "policy_violated": "a rule forbids it",
    "integrity_failed": "a stored thing is not what was stored",
}
# Functions that take the code of a protocol error as an argument.
PROTOCOL_FUNCTIONS = {"ProtocolError", "_protocol", "_refuse"}


def error_classes():
    for path in product_files():
        if "class" in path.read_text() and path.name != "gunicorn.py":
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return descendants(DomainError)


def descendants(cls):
    below = {child for child in cls.__subclasses__() if child.__module__.split(".")[0] != "tests"}
    return below.union(*(descendants(child) for child in below))


def protocol_codes():
    """The codes without a class: constant arguments that have the format of a code."""
    found = [
        text
        for path in product_files()
        for call in calls(path)
        if ast.unparse(call.func).split(".")[-1] in PROTOCOL_FUNCTIONS
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]
        if (text := constant_text(argument)) and CODE.fullmatch(text)
    ]
    return set(found)


def coded_classes():
    return sorted(
        error_classes() - {problems.ProtocolError}, key=lambda cls: (cls.__module__, cls.__qualname__)
    )


def test_there_are_nine_kinds_and_each_has_a_status():
    assert set(errors.DomainError.__subclasses__()) - WITHOUT_KIND == KINDS
    assert len(KINDS) == 9
    assert len(set(problems.PROBLEM_STATUS.values())) == 9


@pytest.mark.parametrize("cls", coded_classes(), ids=lambda cls: cls.__qualname__)
def test_every_error_is_of_one_kind_and_has_its_own_code_and_title(cls):
    kinds = [kind for kind in KINDS if issubclass(cls, kind)]
    assert len(kinds) == 1 or cls in WITHOUT_KIND
    assert CODE.fullmatch(cls.code)
    assert cls.title
    assert not cls.title.endswith(".")


def test_each_raise_makes_its_own_exception():
    """A shared instance collects the frames of every raise, and with them their requests."""
    found = [
        f"{name(path)}:{node.lineno}: {ast.unparse(node)}"
        for path in product_files()
        for node in nodes(path)
        if isinstance(node, ast.Raise)
        for raised in (node.exc, node.cause)
        if isinstance(raised, ast.Name | ast.Attribute) and is_shared(raised, tree(path))
    ]
    assert found == []


def is_shared(raised, module):
    """True for an instance that is neither a class nor a local variable of a function."""
    if CLASS.fullmatch(ast.unparse(raised).split(".")[-1]):
        return False
    return isinstance(raised, ast.Attribute) or raised.id not in {
        bound
        for function in functions(module)
        if raised in ast.walk(function)
        for node in ast.walk(function)
        for bound in (getattr(node, "arg", None), getattr(node, "name", None), stored_name(node))
    }


def stored_name(node):
    return node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else None


def test_a_code_belongs_to_one_class_or_is_shared_on_purpose():
    classes = {}
    for cls in coded_classes():
        classes.setdefault(cls.code, set()).add(cls)
    shared = {code for code, several in classes.items() if len(several) > 1}
    assert shared == set(SHARED)


def test_a_code_has_the_same_status_wherever_it_is_raised():
    statuses = {}
    for cls in coded_classes():
        kind = next((kind for kind in KINDS if issubclass(cls, kind)), None)
        statuses.setdefault(cls.code, set()).add(kind)
    assert {code for code, kinds in statuses.items() if len(kinds) > 1} == set()


def test_errors_of_an_app_are_in_its_errors_module():
    strays = [
        cls.__qualname__
        for cls in coded_classes()
        if cls.__module__.split(".")[0] != "kernel" and not cls.__module__.endswith(".errors")
    ]
    assert strays == []


def test_every_code_is_in_the_documentation():
    documented = set(re.findall(r"`([a-z_]+)`", (ROOT / "docs" / "api.md").read_text()))
    codes = {cls.code for cls in coded_classes()} | protocol_codes()
    assert codes - documented == set()


def test_no_error_can_carry_an_exception_text():
    """Error details must be our own text: ``str(error)`` of a library may quote the request."""
    named = {cls.__name__ for cls in coded_classes() if inspect.isclass(cls)} | PROTOCOL_FUNCTIONS
    quoting = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in product_files()
        for call in calls(path)
        if ast.unparse(call.func).split(".")[-1] in named
        and any("str(error)" in ast.unparse(argument) for argument in call.args)
    ]
    assert quoting == []
