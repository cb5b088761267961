"""Words that plain English does without. CONTRIBUTING.md has the rules of prose."""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.sources import ROOT

REPLACEMENTS = {
    r"whoever|whatever|whomever|whom": "name the person or the thing",
    r"somebody|nobody|anybody|everybody": "a user, no one, anyone, all users",
    r"he|his|him|himself": "they",
    r"anew|afresh": "again",
    r"lest|hence|thereby|therein|thereof|whence|nought|aught|oneself": "a modern word",
}


def python_prose(text: str) -> Iterator[tuple[int, str]]:
    """The line number and text of each docstring and comment."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield node.body[0].lineno, docstring
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def other_prose(text: str) -> Iterator[tuple[int, str]]:
    """Each line of a page or a template, without code and markup."""
    for number, line in enumerate(text.splitlines(), 1):
        yield number, re.sub(r"`[^`]*`|\{[{%].*?[%}]\}|<[^>]*>", " ", line)


def prose_of(path: Path) -> Iterator[tuple[int, str]]:
    return (python_prose if path.suffix == ".py" else other_prose)(path.read_text())


def files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.md", "*.html"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    return [ROOT / name for name in listed if "/migrations/" not in name and ROOT / name != Path(__file__)]


def replacement_of(word: str) -> str:
    return next(write for words, write in REPLACEMENTS.items() if re.fullmatch(words, word, re.IGNORECASE))


def test_prose_has_none_of_these_words():
    pattern = re.compile(rf"\b(?:{'|'.join(REPLACEMENTS)})\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]} (write: {replacement_of(match[0])})"
        for path in files()
        if pattern.search(path.read_text())
        for number, text in prose_of(path)
        for match in pattern.finditer(text)
    ]
    assert not found
