"""State of the process is a ``ProcessState``, so that ``kernel.runtime.fresh`` and a fork replace all of it."""

import ast
import re

import pytest

from tests.architecture.sources import marker_faults, name, product_files, tree

# Classes of the standard library whose instances change.
STATEFUL = re.compile(
    r"deque|OrderedDict|defaultdict|Weak\w+|(Simple)?Queue|local|R?Lock|Condition|Event"
    r"|(Bounded)?Semaphore|Barrier|Timer|Thread|(Thread|Process)PoolExecutor"
)
CONSTANT = {"ProcessState", "ContextVar", "Library"}
METRICS = {"Counter", "Gauge", "Histogram"}


def assignments(body):
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            yield node, ast.unparse(target)


def class_of(value):
    """The name that a call calls, without its module; otherwise ""."""
    return ast.unparse(value.func).rpartition(".")[2] if isinstance(value, ast.Call) else ""


def is_empty(value):
    return ast.unparse(value) in {"{}", "[]", "dict()", "list()", "set()", "Counter()"}


def is_instance(target, value):
    """Whether a lower-case name gets an instance of a class that is not known as constant."""
    by_name = isinstance(value, ast.Call) and isinstance(value.func, ast.Name)
    kind = class_of(value).lstrip("_")
    return target.islower() and by_name and kind[:1].isupper() and kind not in CONSTANT | METRICS


def state_in(module):
    """The assignments of a module and of its classes that create something changeable."""
    for node, target in assignments(module.body):
        value = node.value
        if STATEFUL.fullmatch(class_of(value)) or is_empty(value) or is_instance(target, value):
            yield node
    for definition in module.body:
        if isinstance(definition, ast.ClassDef):
            held = (node for node, _ in assignments(definition.body))
            yield from (node for node in held if STATEFUL.fullmatch(class_of(node.value)))


def test_modules_have_no_state_of_their_own():
    """Except objects that the program builds once, at its start: ``# noqa: CC6 - reason``."""
    found = {
        name(path): faults
        for path in product_files()
        if (faults := marker_faults("CC6", state_in(tree(path)), path.read_text()))
    }
    assert found == {}


@pytest.mark.parametrize(
    "source", ["_rows = {}", "_lock: Lock = threading.Lock()", "class A:\n    q = deque()"]
)
def test_state_without_a_marker_is_found(source):
    assert len(marker_faults("CC6", state_in(ast.parse(source)), source)) == 1


def test_no_function_rebinds_a_name_of_its_module():
    rebinding = [
        f"{name(path)}:{node.lineno}"
        for path in product_files()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Global)
    ]
    assert rebinding == []
