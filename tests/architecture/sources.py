"""The product's own source files, as text and as syntax trees."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = (
    "audit",
    "accounts",
    "keys",
    "crypto_ops",
    "notifications",
    "canaries",
    "dialects",
    "backups",
    "demo",
    "console",
)
PACKAGES = ("ciphercanary", *APPS, "kernel")
FOR_DEVELOPMENT = {"bench", "campaigns", "conformance", "mutation", "tests"}
CLIENT = "ciphercanary_client"
MARKER = re.compile(r"# noqa: ([A-Z0-9, ]+) - \S")
INTERFACES = re.compile(r"(api|admin|forms|serializers|views|page_urls|urls|management)(_\w+)?$")


@cache
def product_files() -> list[Path]:
    """Every Python file that is shipped, except migrations."""
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [path for path in found if "migrations" not in path.parts]


@cache
def client_files() -> list[Path]:
    """Every Python file of the client's package."""
    return sorted((ROOT / "clients" / "python" / CLIENT).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of the file's tree."""
    return tuple(ast.walk(tree(path)))


def name(path: Path) -> str:
    """The path from the root of the repository: ``keys/models.py``."""
    return path.relative_to(ROOT).as_posix()


def is_interface(path: Path) -> bool:
    """True for a module of these names, or in a package of one, at any depth of an app."""
    package, *inner = path.relative_to(ROOT).parts
    return package in APPS and any(INTERFACES.match(part.removesuffix(".py")) for part in inner)


def functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def calls(path: Path) -> Iterator[ast.Call]:
    for node in nodes(path):
        if isinstance(node, ast.Call):
            yield node


def imported_modules(path: Path) -> Iterator[str]:
    """The modules that a file imports, as dotted names; ``from a import b`` gives ``a`` and ``a.b``."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def constant_text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def marker_faults(code: str, matching: Iterable[ast.AST], text: str) -> list[str]:
    """The lines of a construct without ``# noqa: CODE - reason``, and those of a marker without a construct."""
    marked = {
        number
        for number, line in enumerate(text.splitlines(), 1)
        if (marker := MARKER.search(line)) and code in re.split(r"[, ]+", marker[1])
    }
    places = [range(node.lineno, node.end_lineno + 1) for node in matching]
    missing = [f"{place.start}: add {code}" for place in places if marked.isdisjoint(place)]
    return missing + [f"{line}: remove {code}" for line in sorted(marked.difference(*places))]
