"""The documentation must not name a path, test, command or word that does not exist."""

import importlib
import re

import pytest

from audit.log.events import ActorType
from kernel import __version__
from kernel.rest.schema import document
from tests.architecture.sources import FOR_DEVELOPMENT, PACKAGES, ROOT, product_files
from tests.architecture.test_settings import example
from tests.endpoints import all_routes

FOUND = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("tests/**/*.md"),
    *ROOT.glob("clients/**/*.md"),
]
PAGES = sorted(page for page in FOUND if "node_modules" not in page.parts)
TOP = "|".join([*PACKAGES, *FOR_DEVELOPMENT, "bin", "clients", "docs"])
PATH = re.compile(rf"`((?:{TOP})/[\w./-]+)(?:::(\w+))?`")
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def text(name):
    return (ROOT / name).read_text()


def anchors(page):
    """GitHub's anchors: lower case, spaces as hyphens, without punctuation."""
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in HEADING.findall(page)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_and_test_that_is_named_exists(page):
    for path, test in PATH.findall(page.read_text()):
        assert (ROOT / path).exists(), path
        assert not test or f"def {test}(" in text(path), test


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for path, anchor in LINK.findall(page.read_text()):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target.read_text()), f"{path}#{anchor}"


def test_every_image_that_is_named_has_the_version_of_the_package():
    pages = [ROOT / "compose.yaml", *ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    named = [tag for page in pages for tag in re.findall(r"\bciphercanary:(\d[\w.]*)", page.read_text())]
    assert set(named) == {__version__}


@pytest.mark.parametrize(
    ("heading", "next_heading", "path"),
    [
        ("### `GET /auth/me`", "### ", "/auth/me"),
        ("Filters of the log:", "Of the trail:", "/api/v1/audit/logs"),
    ],
)
def test_the_page_of_the_api_lists_every_member_and_filter(heading, next_heading, path):
    section = text("docs/api.md").partition(heading)[2].partition(next_heading)[0]
    operation = document()["paths"][path]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    filters = {parameter["name"] for parameter in operation.get("parameters", [])} - {"before", "limit"}
    members = filters or set(document()["components"]["schemas"][schema]["properties"])
    assert {name for name in members if f"`{name}`" not in section} == set()


def test_every_kind_of_actor_is_in_the_page_of_the_api():
    reported = text("docs/api.md").partition("`actor_type` (")[2].partition(")")[0]
    assert re.findall(r"`(\w+)`", reported) == [kind.value for kind in ActorType]


def test_every_setting_is_in_the_page_for_operators():
    page = text("docs/operations.md").partition("## Settings")[2]
    assert {name for name in example() if f"`{name}`" not in page} == set()


def test_every_check_is_in_the_page_for_operators():
    ids = {
        word for path in product_files() for word in re.findall(r"ciphercanary\.[EW]\d{3}", path.read_text())
    }
    assert ids
    assert ids == set(re.findall(r"ciphercanary\.[EW]\d{3}", text("docs/operations.md")))


def test_every_command_is_in_the_readme():
    commands = {path.stem for path in ROOT.glob("*/management/commands/*.py")} - {"__init__"}
    assert commands
    assert {name for name in commands if f"bin/manage {name}" not in text("README.md")} == set()


def test_every_route_is_in_the_page_of_the_api():
    page = re.sub(r"\{\w+\}", "{}", text("docs/api.md"))
    paths = {re.sub(r"\{\w+\}", "{}", route.path) for route in all_routes()}
    assert {path for path in paths if not re.search(rf"[A-Z] {re.escape(path)}`", page)} == set()


def test_the_example_of_the_ciphertext_format_runs():
    """The example must not depend on our code: the bare library opens the ciphertext that the page shows."""
    code = re.search(r"```python\n(.*?)```", text("docs/ciphertext-format.md"), re.DOTALL)[1]
    assert not any(package in code for package in PACKAGES)
    exec(code, {})  # noqa: S102 - the example of our own page


def test_the_example_is_what_our_code_opens():
    envelope = importlib.import_module("kernel.crypto.sealing.envelope")
    shown = re.search(r'text = "(cc1\.[\w-]+)"', text("docs/ciphertext-format.md"))[1]
    opened = envelope.decode(shown, max_length=1000)
    assert (opened.mode.name, opened.version) == ("aes-256-gcm", 1)
    assert envelope.encode(opened) == shown
