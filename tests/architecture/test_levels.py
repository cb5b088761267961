"""bin/test without ``--all`` leaves out the expensive levels, so each test says its level."""

import ast
import re

from tests.architecture.sources import ROOT, name

LEVELS = re.compile(r"pytest\.mark\.(process|browser|sweep)\b")


def test_a_test_that_runs_the_product_is_marked_as_such():
    """The tests of tests/e2e get their mark from its conftest."""
    found = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "clients").rglob("test_*.py")]
    files = [path for path in found if "e2e" not in path.parts]
    assert [f"{name(path)}::{test}" for path in files for test in unmarked(ast.parse(path.read_text()))] == []


def unmarked(module):
    """The tests of a file that use the product, also through its fixtures and functions, and have no level."""
    if any(isinstance(node, ast.Assign) and is_level(node) for node in module.body):  # pytestmark
        return []
    definitions = [node for node in module.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    running, count = {"product", "Product"}, 0
    while count < len(running):
        count = len(running)
        running |= {node.name for node in definitions if names_in(node) & running}
    return [
        node.name
        for node in definitions
        if node.name.startswith("test_")
        and node.name in running
        and not any(map(is_level, node.decorator_list))
    ]


def is_level(node):
    return LEVELS.search(ast.unparse(node)) is not None


def names_in(definition):
    """The parameters and the names that it uses; ``product`` as a name is that of itertools."""
    nodes = list(ast.walk(definition))
    used = {node.id for node in nodes if isinstance(node, ast.Name)} - {"product"}
    return used | {node.arg for node in nodes if isinstance(node, ast.arg)}


def test_the_level_of_another_test_in_the_file_does_not_count():
    source = """
@pytest.fixture
def server(product): ...
@pytest.mark.process
def test_marked(server): ...
def test_unmarked(server): ...
def test_without_the_product(): ...
"""
    assert unmarked(ast.parse(source)) == ["test_unmarked"]
