"""manage.py from the outside: conditions that prevent any command give one line and an exit code."""

import os
import subprocess
import sys

import pytest
from django.core.management import get_commands

from ciphercanary.command_list import DJANGO, REPLACED, Commands
from tests.product import ROOT, clean_environment


def manage(*arguments, **environment):
    return subprocess.run(
        [sys.executable, ROOT / "manage.py", *arguments],
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.process
@pytest.mark.parametrize(("command", "code"), [("verify_audit_log", 2), ("rotate_keys", 1), ("help", 1)])
def test_invalid_settings_are_one_line(tmp_path, command, code):
    done = manage(command, CC_HOME=str(tmp_path), DATABASE_URL="foo")
    assert done.returncode == code
    assert done.stderr.startswith("bin/manage: DATABASE_URL must be a URL such as postgresql://")
    assert done.stderr.count("\n") == 1


@pytest.mark.process
@pytest.mark.parametrize(
    ("command", "code", "database"),
    [
        ("verify_audit_log", 2, "absent"),
        ("verify_audit_log", 2, "empty"),
        ("verify_audit_log", 2, "damaged"),
        ("clearsessions", 1, "damaged"),
    ],
)
def test_an_unusable_sqlite_file_is_one_line(tmp_path, command, code, database):
    file = tmp_path / "db.sqlite3"
    if database != "absent":
        file.write_bytes(b"no database at all" * 500 if database == "damaged" else b"")
    done = manage(command, CC_HOME=str(file.parent if database != "absent" else tmp_path / "absent"))
    assert done.returncode == code
    assert done.stderr.count("\n") == 1, done.stderr
    expected = f"file is not a database ({file})" if database == "damaged" else "Start bin/serve once"
    assert expected in done.stderr


@pytest.mark.process
def test_a_server_that_refuses_is_one_line_and_not_an_altered_log(tmp_path):
    done = manage(
        "verify_audit_log",
        CC_HOME=str(tmp_path),
        DATABASE_URL="postgresql://cc:not-to-be-seen@127.0.0.1:1/cc",
        CC_DB_POOL_TIMEOUT="0.2",
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Connection refused. Start PostgreSQL" in done.stderr
    assert "not-to-be-seen" not in done.stderr


@pytest.mark.process
def test_a_python_that_cannot_be_had_is_not_an_altered_log(tmp_path):
    environment = os.environ | {"CC_PYTHON": "/nowhere/python", "CC_VENV": str(tmp_path / "venv")}
    done = subprocess.run(
        [ROOT / "bin" / "manage", "verify_audit_log"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("bin/manage: needs Python")


def test_the_overview_has_every_command_of_ours_and_of_djangos_those_for_operators():
    listed = Commands(["manage.py"]).main_help_text(commands_only=True).split()
    ours = {path.stem for path in ROOT.glob("*/management/commands/*.py")} - {"__init__"}
    assert set(listed) == ours - REPLACED | set(DJANGO)
    assert len(listed) == len(set(listed))
    assert set(DJANGO) <= set(get_commands())
    # Unlisted, but available to developers.
    assert {"makemigrations", "spectacular", "shell"} <= set(get_commands()) - set(listed)


def test_the_overview_describes_each_command_in_one_line():
    lines = [line for line in Commands(["manage.py"]).main_help_text().splitlines() if line.startswith("  ")]
    assert len(lines) == len(Commands(["manage.py"]).main_help_text(commands_only=True).split())
    assert all(len(line.split()) > 2 and len(line) <= 120 for line in lines)
    assert not [line for line in lines if line.split()[1].endswith("s")]  # "List", not "Lists"
