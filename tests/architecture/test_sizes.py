import ast
import re
import textwrap
from collections import Counter

import pytest

from tests.architecture.sources import client_files, functions, name, product_files, tree

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40
MAX_NESTING = 3
# Lines of Python in each package, without migrations. A feature raises the number of its package in the same commit, and
# the body of the commit says by how much. A package that shrinks by more than SLACK lowers it.
CEILINGS = {
    "accounts": 10_917,
    "audit": 24_437,
    "backups": 1_371,
    "canaries": 4_902,
    "ciphercanary": 3_524,
    "console": 5_277,
    "crypto_ops": 10_864,
    "demo": 1_281,
    "dialects": 2_297,
    "kernel": 16_582,
    "keys": 15_362,
    "notifications": 2_297,
}
SLACK = 100
MAX_FILES_IN_A_FOLDER = 20
SMALL_FILE_LINES, MAX_SMALL_FILES = 20, 8
# Django, Python and WSGI servers define these files.
CONVENTIONS = re.compile(
    r"(^|/)(__init__|__main__|admin|apps|models|urls|wsgi)\.py$|(^|/)(commands|formats|models)/"
)
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


def lines_of(function):
    return function.end_lineno - function.lineno + 1


def nesting(node):
    """The depth of nested blocks in a function; ``elif`` does not count as a block of its own."""
    return max((depth(child) for child in statements(node)), default=0)


def depth(node):
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return 0  # measured separately
    if isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
        inner = max((depth(child) for child in node.body), default=0)
        return max(1 + inner, depth(node.orelse[0]))
    return nesting(node) + isinstance(node, BLOCKS)


def statements(node):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            yield from child.body


def test_no_file_is_longer_than_300_lines():
    long = {
        name(path): lines
        for path in [*product_files(), *client_files()]
        if (lines := len(path.read_text().splitlines())) > MAX_FILE_LINES
    }
    assert not long


def misfits(lines, ceilings):
    """``{package: lines}`` of packages above their ceiling, far below it, or without one."""
    return {
        package: lines[package]
        for package in lines | ceilings
        if not 0 <= ceilings.get(package, 0) - lines.get(package, 0) <= SLACK
    }


def test_no_package_outgrows_its_ceiling():
    lines = Counter()
    for path in product_files():
        lines[name(path).partition("/")[0]] += len(path.read_text().splitlines())
    wrong = misfits(lines, CEILINGS)
    assert wrong == {}, f"Delete lines, or correct CEILINGS to {wrong}, and give the reason in the commit."


def test_a_ceiling_is_neither_exceeded_nor_far_above_nor_missing():
    lines = Counter(keys=500, audit=300, demo=10, kernel=200)
    assert misfits(lines, {"keys": 499, "audit": 401, "kernel": 300, "gone": 101}) == {
        "keys": 500,
        "audit": 300,
        "demo": 10,
        "gone": 0,
    }


def test_no_folder_has_more_than_20_python_files_beside_its_init():
    folders = Counter(path.parent for path in product_files() if path.name != "__init__.py")
    wide = {name(folder): count for folder, count in folders.items() if count > MAX_FILES_IN_A_FOLDER}
    assert wide == {}, "Make a package of the files that belong together."


def test_few_files_are_shorter_than_20_lines():
    small = [
        name(path)
        for path in product_files()
        if len(path.read_text().splitlines()) < SMALL_FILE_LINES and not CONVENTIONS.search(name(path))
    ]
    assert len(small) <= MAX_SMALL_FILES, f"Move the content into a neighbour: {small}"


def test_no_function_is_longer_than_40_lines():
    long = {
        f"{name(path)}:{function.lineno} {function.name}": lines_of(function)
        for path in [*product_files(), *client_files()]
        for function in functions(tree(path))
        if lines_of(function) > MAX_FUNCTION_LINES
    }
    assert not long


def test_no_function_nests_deeper_than_three_blocks():
    deep = {
        f"{name(path)}:{function.lineno} {function.name}": nesting(function)
        for path in [*product_files(), *client_files()]
        for function in functions(tree(path))
        if nesting(function) > MAX_NESTING
    }
    assert not deep


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("return 1", 0),
        ("if a:\n    pass\nelif b:\n    pass\nelse:\n    pass", 1),
        ("if a:\n    pass\nelse:\n    for b in c:\n        pass", 2),
        (
            "with a:\n    for b in c:\n        try:\n            pass\n        except E:\n            if d: pass",
            4,
        ),
        ("match a:\n    case 1:\n        if b: pass", 2),
        ("def inner():\n    if a:\n        if b: pass\nif c: pass", 1),
    ],
)
def test_the_measure_of_nesting_counts_blocks(source, expected):
    [function] = ast.parse("def f():\n" + textwrap.indent(source, "    ")).body
    assert nesting(function) == expected
