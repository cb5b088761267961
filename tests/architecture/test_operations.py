"""An operation with keys reads from top to bottom in one file: a request decides, and its decision finishes.

Calls go one way. Classes with names take the place of functions that are passed on and called back later.
"""

import ast
import inspect
from typing import get_type_hints

import pytest
from msgspec.structs import fields

from audit.commit.decisions import Decision, Ready
from crypto_ops.deciding.services import decision_of
from crypto_ops.fast_path.routes import ROUTES
from tests.architecture.sources import APPS, functions, name, product_files, tree

SERVICES = [
    path
    for path in product_files()
    if name(path).startswith("crypto_ops/")
    and ("services" in {path.stem, path.parent.name} or path.stem == "uploads")
]
STEPS = {"decide", "finish", "settle"}
# The interface renders the response to an upload, after the commit.
READY = [Ready, decision_of]
ALLOWED = {("crypto_ops/files/uploads.py", "__init__(render)")}


def callbacks(module):
    """All forms of callbacks: lambdas, parameters for functions, functions in functions, and steps outside of classes."""
    yield from (ast.unparse(node) for node in ast.walk(module) if isinstance(node, ast.Lambda))
    for function in functions(module):
        inner = [each for each in functions(function) if each is not function]
        yield from (f"{function.name}.{each.name}" for each in inner)
        for each in ast.walk(function.args):
            if isinstance(each, ast.arg) and each.annotation and "Callable" in ast.unparse(each.annotation):
                yield f"{function.name}({each.arg})"
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name.strip("_").split("_")[0] in STEPS:
            yield node.name


def decisions(kind=Decision):
    """The classes of decisions of the product."""
    for each in kind.__subclasses__():
        if each.__module__.split(".")[0] in APPS:
            yield each
            yield from decisions(each)


def test_no_service_of_an_operation_calls_back():
    assert {(name(path), each) for path in SERVICES for each in callbacks(tree(path))} == ALLOWED


@pytest.mark.parametrize(
    "source",
    [
        "commit(lambda: result)",
        "def commit(x: Callable[[], int]): ...",
        "def commit():\n def finish(): ...",
        "def decide_encryption(request): ...",
    ],
)
def test_each_form_of_a_callback_is_found(source):
    assert len(list(callbacks(ast.parse(source)))) == 1


def test_a_decision_has_data_only():
    """Beside the method that computes its result."""
    found = [(each, field.name, str(field.type)) for each in decisions() for field in fields(each)]
    assert len(found) > len(fields(Decision))
    assert [(each, field) for each, field, kind in found if "Callable" in kind] == []


@pytest.mark.parametrize("route", ROUTES.values(), ids=[path for _, path in ROUTES])
def test_the_file_of_an_operation_decides_and_finishes(route):
    """``decide`` names the class that finishes, or the result is known already."""
    kinds = get_type_hints(route.request)["return"].__mro__
    steps = [step for kind in kinds for each, step in vars(kind).items() if each.startswith("decide")]
    modules = {step: inspect.getmodule(step) for step in steps}
    used = [
        (vars(module).get(each), module.__name__)
        for step, module in modules.items()
        for each in step.__code__.co_names
    ]
    made = [(each, module) for each, module in used if each in [*decisions(), decision_of]]
    assert made
    assert [each for each, module in made if each not in READY and each.__module__ != module] == []
