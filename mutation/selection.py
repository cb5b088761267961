"""The mutants of a run: those of changed lines, of paths, or of an earlier run's output."""

import argparse
import ast
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from mutation.mutants import Mutant, mutants_of

PACKAGES = ("ciphercanary", "console", "notifications", "crypto_ops", "keys", "accounts", "audit", "kernel")


def selected(options: argparse.Namespace) -> list[Mutant]:
    if options.again:
        return _listed(options.again.read_text())
    if not options.paths:
        changed = _changed_lines(options.since or _base())
        mutants = [mutant for path in changed for mutant in mutants_of(path)]
        return [mutant for mutant in mutants if not changed[mutant.path].isdisjoint(mutant.lines)]
    found = []
    for text in options.paths:
        name, _, function = text.partition("::")
        paths = sorted(Path(name).rglob("*.py")) if Path(name).is_dir() else [Path(name)]
        for path in [path for path in paths if "migrations" not in path.parts]:
            lines = _lines_of(path, function)
            found += [mutant for mutant in mutants_of(path) if mutant.line in lines]
    return found


def _listed(output: str) -> list[Mutant]:
    """The mutants of an earlier run's output. Their line numbers may have changed since."""
    found = re.findall(r"^(\S+\.py):\d+: (.*?)(?:  \(no test reaches it\))?$", output, re.MULTILINE)
    changes = defaultdict[Path, set[str]](set)
    for path, change in found:
        changes[Path(path)].add(change)
    return [
        mutant
        for path in sorted(changes)
        for mutant in mutants_of(path)
        if f"{mutant.before} -> {mutant.after}" in changes[path]
    ]


def _lines_of(path: Path, function: str) -> range:
    if not function or function.isdecimal():
        return range(int(function), int(function) + 1) if function else range(sys.maxsize)
    for node in ast.walk(ast.parse(path.read_text())):
        if getattr(node, "name", None) == function and isinstance(node, ast.stmt):
            return range(node.lineno, (node.end_lineno or node.lineno) + 1)
    sys.exit(f"bin/mutate: {path} defines no {function}.")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()  # noqa: S607


def _base() -> str:
    found = (_git("merge-base", "HEAD", name) for name in ("@{upstream}", "origin/main", "main"))
    base, head = next((commit for commit in found if commit), ""), _git("rev-parse", "HEAD")
    is_dirty = bool(_git("status", "--porcelain", "--untracked-files=no"))
    return base if base and base != head else "HEAD" if is_dirty else "HEAD~1"


def _changed_lines(commit: str) -> dict[Path, set[int]]:
    """The lines of the product's files, as they are now, that differ from the commit."""
    found = dict[Path, set[int]]()
    lines = set[int]()
    for text in _git("diff", "--unified=0", "--no-color", commit, "--", *PACKAGES).splitlines():
        if text.startswith("+++ "):
            path = Path(text[6:])
            lines = set()
            if path.suffix == ".py" and path.exists() and "migrations" not in path.parts:
                found[path] = lines
        elif match := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", text):
            first, count = int(match[1]), int(match[2] or 1)
            lines |= set(range(first, first + count))
    return found
