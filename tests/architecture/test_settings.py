"""``.env.example`` lists exactly the settings that exist, with their actual defaults."""

import ast
import json
import os
import re
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from kernel.environment.variables import Environment
from tests.architecture.sources import ROOT, calls, constant_text, nodes

EXAMPLE = ROOT / ".env.example"
SETTINGS = (
    ROOT / "ciphercanary" / "settings.py",
    ROOT / "accounts" / "sign_in" / "oidc" / "configuration.py",
    ROOT / "notifications" / "configuration.py",
)
LINE = re.compile(r"# ([A-Z][A-Z0-9_]*)=(.*?)(?:\s+#.*)?")
# Without these the application uses SQLite and no Redis, as their heading explains; their values show the
# format.
FORMS = {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"}
PRINT_SETTINGS = """
import json
from ciphercanary import settings
names = [name for name in dir(settings) if name.isupper()]
print(json.dumps({name: repr(getattr(settings, name)) for name in names}))
"""


def example():
    """``{name: value}`` of every variable, all of which are commented out."""
    lines = [line for line in EXAMPLE.read_text().splitlines() if "=" in line and line.startswith("# ")]
    return {match[1]: match[2] for line in lines if (match := LINE.fullmatch(line))}


def names_read(path, receivers):
    """The constant first arguments of ``env.str(...)``, ``os.environ.get(...)``."""
    found = [
        constant_text(call.args[0])
        for call in calls(path)
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) in receivers and call.args
    ]
    return {name for name in found if name}


def settings_under(variables):
    """The settings in a process that has these variables and no others."""
    environment = {"PATH": os.environ["PATH"], "SECRET_KEY": "of this test", **variables}
    command = [sys.executable, "-W", "error", "-c", PRINT_SETTINGS]
    output = subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True).stdout
    return json.loads(output)


def test_the_example_names_exactly_the_variables_that_are_read():
    assert set().union(*(names_read(path, {"env"}) for path in SETTINGS)) == set(example())


@pytest.mark.parametrize("path", SETTINGS, ids=lambda path: path.stem)
def test_every_read_of_the_environment_can_be_seen_by_this_test(path):
    uses = [node for node in nodes(path) if isinstance(node, ast.Name) and node.id == "env"]
    reads = [call for call in calls(path) if is_read(call) and constant_text(call.args[0])]
    assert len(uses) == 1 + len(reads)  # one use is the assignment of env itself


def is_read(call):
    return isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "env"


def test_the_example_names_no_variable_twice():
    lines = re.findall(r"^# ([A-Z][A-Z0-9_]*)=", EXAMPLE.read_text(), re.MULTILINE)
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize(
    "database", [{}, {"DATABASE_URL": "postgres://user:password@host:5432/ciphercanary"}]
)
def test_the_values_of_the_example_are_the_defaults(database):
    written = {name: value for name, value in example().items() if value and name not in FORMS}
    assert settings_under(written | database) == settings_under(database)


def test_a_value_that_differs_is_noticed():
    assert settings_under({"CC_THREADS": "9"}) != settings_under({})


def test_every_variable_of_the_example_is_known_whichever_database_is_used():
    assert {name for name in example() if name.startswith("CC_")} <= Environment.known


@pytest.mark.parametrize("text", ["True", "true", "yes", "ON", "1", "False", "no", "off", "0"])
def test_a_boolean_has_the_documented_spellings(monkeypatch, text):
    monkeypatch.setenv("DEBUG", text)
    assert Environment().bool("DEBUG", False) is (text in {"True", "true", "yes", "ON", "1"})
    page = (ROOT / "docs" / "operations.md").read_text().partition("Booleans are")[2].partition(".")[0]
    assert f"`{text.lower()}`" in page.lower()


@pytest.mark.parametrize("text", ["fasle", "", "2", "ok", "y"])
def test_any_other_boolean_names_the_variable_and_not_the_value(monkeypatch, text):
    monkeypatch.setenv("CC_CONSOLE_DECRYPT", text)
    with pytest.raises(ImproperlyConfigured, match=r"^CC_CONSOLE_DECRYPT must be True or False\.$"):
        Environment().bool("CC_CONSOLE_DECRYPT", True)


@pytest.mark.parametrize(
    ("name", "value", "choices"),
    [
        ("CC_AUDIT_ADDRESSES", "subnet", "full, network, none"),
        ("CC_AUDIT_USER_AGENTS", "network", "full, none"),
    ],
)
def test_another_choice_ends_the_start_with_the_choices(name, value, choices):
    with pytest.raises(subprocess.CalledProcessError) as failed:
        settings_under({name: value})
    assert f"ImproperlyConfigured: {name} must be one of {choices}.\n" in failed.value.stderr.decode()
