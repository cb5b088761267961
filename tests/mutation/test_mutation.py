"""bin/mutate on a small repository: its mutants, its survivors, and the unchanged files."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from mutation.__main__ import _accepted, _entry
from mutation.mutants import mutants_of

ROOT = Path(__file__).resolve().parents[2]
RULES = """
import functools

LARGEST = 3
NAMES = {"a", "b"}
PRICES = {1: 2} | {2: 4}


@functools.cache
def may(size):
    return size <= LARGEST


def price(size, discount=0):
    if size > 10:
        raise ValueError("too large")
    return size * 2 - discount


def has(sizes, size):
    return any(each == size for each in sizes)


def unused():
    return 1 + 1
"""
TESTS = """
import pytest
from keys.rules import NAMES, PRICES, has, may, price

def test_may():
    assert may(3) and not may(4)

def test_has():
    assert has([1, 2], 2) and not has([1], 2)

def test_price():
    assert price(2) == 4

def test_names():
    assert NAMES == {"a", "b"}
    assert PRICES == {1: 2, 2: 4}
"""
LATE = """
LONGEST = 5
UNTESTED = 7


def fits(text):
    return len(text) < LONGEST
"""
LATE_TESTS = """
import pytest

def test_first():
    assert True

@pytest.mark.parametrize("size", [4, 5])
def test_fits(size):
    from keys.late import fits
    assert fits(size * "a") == (size == 4)
"""


@pytest.fixture
def repository(tmp_path):
    for name, text in {
        "keys/__init__.py": "",
        "keys/rules.py": RULES,
        "tests/keys/test_rules.py": TESTS,
        "keys/late.py": LATE,
        "tests/keys/test_late.py": LATE_TESTS,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "Add rules")
    return tmp_path


def git(folder, *arguments):
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def mutate(folder, *arguments):
    environment = {
        **{name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [sys.executable, "-m", "mutation", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert git(folder, "status", "--porcelain", "--", "keys", "tests/keys/test_rules.py") in {
        "",
        " M keys/rules.py\n",
    }
    return done.returncode, done.stdout


def test_survivors_are_listed_and_everything_else_is_killed(repository):
    code, output = mutate(repository, "keys/rules.py")
    assert code == 1
    found = {line.split(": ", 1)[1] for line in output.splitlines() if line.startswith("keys/rules.py:")}
    assert found == {
        "return 1 + 1 -> return None  (no test reaches it)",
        "1 + 1 -> 1 - 1  (no test reaches it)",
        "1 -> 2  (no test reaches it)",
        "if size > 10: raise ValueError('too large') -> if False: raise ValueError('too large')",
        "size > 10 -> size >= 10",
        "10 -> 11",
        "raise ValueError('too large') -> pass  (no test reaches it)",
        "size * 2 - discount -> size * 2 + discount",
        "functools.cache -> nothing",
    }


def test_a_module_that_a_running_test_imports_is_mutated(repository):
    code, output = mutate(repository, "keys/late.py")
    assert code == 1
    assert [line for line in output.splitlines() if line.startswith("keys/late.py:")] == [
        "keys/late.py:3: 7 -> 8"
    ]


def test_without_paths_only_changed_lines_are_mutated(repository):
    path = repository / "keys" / "rules.py"
    path.write_text(path.read_text().replace("size <= LARGEST", "size < LARGEST + 1"))
    code, output = mutate(repository)
    assert code == 0
    assert "killed (100%), 0 survived" in output


def test_the_mutants_that_an_earlier_run_listed_are_tried_again(repository, tmp_path):
    listed = ["size > 10 -> size >= 10", "return 1 + 1 -> return None  (no test reaches it)"]
    earlier = "\n".join(
        ["3 mutants.", *(f"keys/rules.py:99: {each}" for each in listed), "100 of 200 tried."]
    )
    (tmp_path / "output").write_text(earlier)
    _, output = mutate(repository, "--again", tmp_path / "output")
    assert output.startswith("2 mutants, ")
    assert all(each in output for each in listed)


def test_a_sample_bounds_the_share_of_all_mutants(repository):
    _, output = mutate(repository, "--sample", "4", "--seed", "1", "keys/late.py")
    assert "4 mutants: 3 killed (75%)" in output
    assert "Of all, tests kill 30.1% to 95.4%." in output


def test_an_accepted_mutant_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "accepted.txt").write_text("# why\nrules.py::price: size > 10 -> size >= 10  # no matter\n")
    (tmp_path / "rules.py").write_text(RULES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mutation.__main__.ACCEPTED", tmp_path / "accepted.txt")
    left = [str(each) for each in mutants_of(Path("rules.py")) if _entry(each) not in _accepted()]
    assert len(left) == len(mutants_of(Path("rules.py"))) - 1
    assert not any("size >= 10" in each for each in left)


def test_every_accepted_mutant_is_one_of_the_code():
    entries = _accepted()
    files = {entry.partition(":")[0] for entry in entries}
    known = {_entry(mutant) for file in files for mutant in mutants_of(Path(file))}
    assert entries <= known


def test_a_mutant_is_one_small_change(tmp_path):
    path = tmp_path / "rules.py"
    path.write_text(RULES)
    found = Counter(str(mutant).partition(": ")[2] for mutant in mutants_of(path))
    assert found["size <= LARGEST -> size < LARGEST"] == 1
    assert found["3 -> 4"] == 1
    assert found["'a' -> nothing"] == 1
    assert all(mutant.code() for mutant in mutants_of(path))
    assert path.read_text() == RULES
