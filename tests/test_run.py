"""The programs of bin/test: the services of a run, and the tables that it keeps for the next one."""

import subprocess
import sys

import pytest

from tests import run
from tests.product import ROOT, clean_environment
from tests.services import kept

DATABASE_IS_UP = """
import os
import psycopg
import pytest

def is_up():
    try:
        psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True
"""


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["tests/test_run.py"], 1),
        (["tests/test_run.py::test_x", "-k", "name", "tests/run.py"], 2),
        (["tests/run.py", "tests/product.py", "tests/pages.py", "tests/output.py"], 0),
        (["tests"], 0),
        (["tests/run.py", "tests/keys"], 0),
        (["-x"], 0),
        (["tests/test_run.py", "-n2"], 0),
    ],
)
def test_only_a_few_files_run_in_one_process(arguments, count):
    assert len(run.few_files(arguments)) == count


def test_only_single_tests_run_without_the_plugin_of_the_order():
    assert run.order_of(["tests/test_run.py::test_a", "-q", "tests/test_run.py::test_b"])
    assert not run.order_of(["tests/test_run.py::test_a", "tests/test_run.py"])


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The cache of another clone, which has one migration."""
    (tmp_path / "app" / "migrations").mkdir(parents=True)
    (tmp_path / "app" / "migrations" / "0001_first.py").write_text(
        "from app import triggers\nimport app.rows\n"
    )
    for name in ("requirements.lock", "app/rows.py"):
        (tmp_path / name).touch()
    monkeypatch.setattr(kept, "ROOT", tmp_path)
    monkeypatch.setattr(kept, "CACHE", tmp_path / "cache")
    return tmp_path


@pytest.mark.parametrize("changed", ["app/migrations/0001_first.py", "app/rows.py", "requirements.lock"])
def test_tables_are_kept_until_something_changes_that_decides_about_them(cache, changed):
    created = []

    def create(scratch):
        file = scratch / "tables"
        file.write_text(f"{len(created)}")
        created.append(file)
        return file

    first = kept.keep("sqlite", create)
    assert (kept.keep("sqlite", create), first.read_text()) == (first, "0")
    with (cache / changed).open("a") as file:
        file.write("# changed\n")
    second = kept.keep("sqlite", create)
    assert (second.read_text(), first.exists(), len(created)) == ("1", False, 2)


@pytest.mark.process
@pytest.mark.parametrize(("mark", "expected"), [("xdist_group", False), ("database", True)])
def test_services_start_only_for_tests_that_need_them(tmp_path, mark, expected):
    test = f"@pytest.mark.{mark}\ndef test_database(): assert is_up() is {expected}\n"
    (tmp_path / "test_one.py").write_text(DATABASE_IS_UP + test)
    command = [sys.executable, "-m", "pytest", "-p", "tests.services.on_demand", "-n0", "-q"]
    done = subprocess.run(
        [*command, "-c", ROOT / "pyproject.toml", tmp_path],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
