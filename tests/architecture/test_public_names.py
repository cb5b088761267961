"""A public name of a module is used in another file; other names begin with an underscore."""

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, product_files, tree

MOST_UNUSED = 25
# Django, Celery, gunicorn and the template engine find the names in these files by convention.
CONVENTIONS = re.compile(
    r"(^|/)(admin|models|templatetags|management|formats)/"
    r"|(^|/)(admin|apps|celery|gunicorn|models|settings|urls|\w+_urls|wsgi|asgi|__main__)\.py$"
)
IMPORT = re.compile(r"^\s*from ([\w.]+) import (?:\(([^)]*)\)|(.*))", re.MULTILINE)
TEXTS = {".py", ".html", ".toml", ".md", ".yaml", ".yml", ""}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def public_names(module: ast.Module) -> Iterator[str]:
    """The names that functions, classes and assignments at the top of a module define.

    Python's documentation calls the logger of a module ``logger``.
    """
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.TypeAlias):
            targets = (
                node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None) or node.name]
            )
            names = (each for target in targets for each in ast.walk(target) if isinstance(each, ast.Name))
            found = [each.id for each in names if isinstance(each.ctx, ast.Store)]
        else:
            found = []
        yield from (name for name in found if not name.startswith("_") and name != "logger")


def modules_in(text: str) -> set[str]:
    """The modules that a text imports; ``from a import b`` gives ``a`` and ``a.b``. Faster than a syntax tree."""
    found = set(re.findall(r"^\s*import ([\w.]+)", text, re.MULTILINE))
    for module, several, one in IMPORT.findall(text):
        found |= {module, *(f"{module}.{name}" for name in re.findall(r"\w+", several or one))}
    return found


@cache
def words_by_module() -> dict[str, list[set[str]]]:
    """For each module the words of every file that imports it, and the names after its dotted name in any text."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found: dict[str, list[set[str]]] = {}
    for path in (ROOT / line for line in listed.splitlines()):
        if not path.is_file() or path.suffix not in TEXTS:
            continue
        text = path.read_text()
        if path.suffix == ".py":
            words = set(re.findall(r"\w+", text))
            for module in modules_in(text) - {module_of(path)}:
                found.setdefault(module, []).append(words)
        for module, name in re.findall(r"\b([a-z_]\w*(?:\.[a-z_]\w*)+)[.:](\w+)", text):
            found.setdefault(module, []).append({name})
    return found


def unused_names() -> list[str]:
    """``path name`` of each public name that no other file uses. Components of the API have the names of serializers."""
    components = json.loads((ROOT / "tests" / "openapi.json").read_text())["components"]["schemas"]
    paths = [path for path in product_files() if not CONVENTIONS.search(path.relative_to(ROOT).as_posix())]
    return [
        f"{path.relative_to(ROOT)} {name}"
        for path in paths
        for name in public_names(tree(path))
        if name.removesuffix("Serializer") not in components
        and not any(name in words for words in words_by_module().get(module_of(path), ()))
    ]


def test_most_public_names_are_used_in_another_file():
    unused = unused_names()
    assert len(unused) <= MOST_UNUSED, "Begin these names with an underscore:\n" + "\n".join(unused)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("LIMIT = 1", ["LIMIT"]),
        ("LIMIT: Final = 1", ["LIMIT"]),
        ("A, (B, _C) = 1, (2, 3)", ["A", "B"]),
        ("app.task_routes = {}", []),
        ("type Rows = list[int]", ["Rows"]),
        ("class A:\n    b = 1\nasync def f():\n    c = 1", ["A", "f"]),
        ("def _f(): ...\nlogger = getLogger(__name__)", []),
    ],
)
def test_a_public_name_is_defined_at_the_top_of_a_module(source, names):
    assert list(public_names(ast.parse(source))) == names


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("import keys.lifecycle", {"keys.lifecycle"}),
        ("    from keys import lifecycle as states", {"keys", "keys.lifecycle", "keys.as", "keys.states"}),
        ("from keys import (\n    lifecycle,\n    trail,\n)", {"keys", "keys.lifecycle", "keys.trail"}),
    ],
)
def test_the_imports_of_a_text_are_found(source, modules):
    assert modules_in(source) == modules
