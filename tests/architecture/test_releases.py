"""The version in pyproject.toml is the version everywhere, and a release has a dated section of the changelog."""

import re
import sys
import tomllib
from datetime import date

import pytest

from ciphercanary import manage
from ciphercanary.server import roles
from kernel import __version__
from kernel.rest.schema import document
from tests.architecture.sources import ROOT

SECTION = re.compile(r"^## \[(.+?)\] - (.+)$", re.MULTILINE)


def test_the_version_has_the_newest_section_of_the_changelog_with_a_date_and_upgrade_notes():
    changelog = (ROOT / "CHANGELOG.md").read_text()
    sections = SECTION.findall(changelog)
    assert sections[0][0] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    days = [date.fromisoformat(day) for _, day in sections]
    assert days == sorted(days, reverse=True)
    assert SECTION.split(changelog)[3].lstrip().startswith("### Upgrade notes\n")


def test_the_image_and_the_document_of_the_api_have_the_version():
    label = re.findall(r'org\.opencontainers\.image\.version="(.+)"', (ROOT / "Dockerfile").read_text())
    assert [*label, document()["info"]["version"]] == [__version__, __version__]


@pytest.mark.parametrize("arguments", [["--version"], ["version"], ["backup", "--version"]])
def test_the_commands_print_the_version_of_the_package(capsys, monkeypatch, arguments):
    try:
        manage.main(arguments)
    except SystemExit as end:
        assert not end.code  # noqa: PT017 - argparse exits after a version
    monkeypatch.setattr(sys, "argv", ["ciphercanary-server", "--version"])
    monkeypatch.setenv("LOG_FORMAT", "text")
    roles.main()
    assert capsys.readouterr().out == f"{__version__}\n" * 2
