"""One product for all browser tests of a process: gunicorn on PostgreSQL and Redis, and a user of each role.

These fixtures end with this package, not with the process: while Playwright runs, no other test in its thread
can start an event loop.
"""

import contextlib
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Error, sync_playwright

from tests.e2e.browser import launch, person, present
from tests.e2e.chromium import MISSING, find_chromium
from tests.product import PASSWORD, POSTGRESQL_URL, Product

FOLDER = Path(__file__).parent
PATIENT = {"CC_DB_POOL_TIMEOUT": "60"}  # seconds: on a busy machine a page may be late, but must not fail
ROLES = ("admin", "operator", "developer", "auditor")
RECENT = 300  # seconds that a session is shared: for some operations the product requires a recent sign-in
USERS = 8  # created at once, because each process takes seconds to start
CREATE_USERS = """
from accounts.principals import Principal
from accounts.users.services.creation import create_user
for name, role in {people}.items():
    create_user(principal=Principal.system("tests", "command"), username=name, password={password!r}, role=role)
"""


def pytest_itemcollected(item):
    item.add_marker("browser")


@pytest.hookimpl(trylast=True)  # after the random ordering
def pytest_collection_modifyitems(items):
    """Run the tests of this folder first and together, so that the product is not restarted for each file.

    The longest file comes first, and the smoke tests before others: at the end of a run, they would leave the other
    processes without work.
    """

    def place(item):
        is_elsewhere = FOLDER not in item.path.parents
        return is_elsewhere, item.path.name != "test_every_page.py", not item.get_closest_marker("smoke")

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call):
    """Add what each user sees to the report of a failed test, because a timeout does not show the reason."""
    report = yield
    if call.when == "call" and report.failed:
        for somebody in present:
            with contextlib.suppress(Error):  # of a page that was closed or crashed
                report.sections.append(("page", somebody.seen()))
    return report


@pytest.fixture(scope="package")
def browser_half():
    if not POSTGRESQL_URL:
        pytest.skip("browser tests run on the half with PostgreSQL and Redis")
    if not find_chromium():
        pytest.fail(MISSING)


@pytest.fixture(scope="package")
def served(browser_half, tmp_path_factory):
    with Product(tmp_path_factory.mktemp("e2e"), **PATIENT) as product:
        create_users(product, {role: role for role in ROLES[1:]})
        yield product


def create_users(product, people):
    """Create the users ``{name: role}``, with the common password, in one process."""
    done = product.manage("shell", "--command", CREATE_USERS.format(people=people, password=PASSWORD))
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="package")
def new_users(served):
    """An iterator over the names of new administrators, which no other test uses."""

    def names():
        numbers = count(1)
        while True:
            batch = [f"account-{next(numbers)}" for _ in range(USERS)]
            create_users(served, dict.fromkeys(batch, "admin"))
            yield from batch

    return names()


@pytest.fixture
def username(new_users):
    """A new user, so that changes to the account affect no other test."""
    return next(new_users)


@pytest.fixture(scope="package")
def session_of(served):
    """``session_of(name)``: the cookie of a recent session of the user, shared by tests that do not end it."""
    opened = {}

    def get(name):
        if name not in opened or time.monotonic() - opened[name][1] > RECENT:
            began = time.monotonic()
            opened[name] = (served.sign_in(name)["Cookie"].removeprefix("session="), began)
        return opened[name][0]

    return get


@dataclass(frozen=True)
class Demo:
    """The base URL of a product with the data of load_demo. Every user has the password of the tests."""

    base: str
    product: Product


@pytest.fixture(scope="package")
def demo(tmp_path_factory, served):
    with Product(tmp_path_factory.mktemp("demo"), has_demo=True, **PATIENT) as product:
        yield Demo(f"http://127.0.0.1:{product.port}", product)


@pytest.fixture(scope="package")
def base(served):
    return f"http://127.0.0.1:{served.port}"


@pytest.fixture(scope="package")
def api(served):
    """``api("POST", "/api/v1/keys", {...})`` as the administrator; a refusal fails the test."""
    token = served.token()

    def call(method, path, body=None):
        reply = served.send(method, path, body, token=token)
        assert reply.status < 300, reply.content
        return reply.json

    return call


@pytest.fixture(scope="package")
def chromium(browser_half):
    # Playwright's event loop would make Django assume that it is called from asynchronous code.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def visitor(chromium, base):
    """A visitor who is not signed in. At the end of the test the browser must have logged no messages."""
    with person(chromium, base) as somebody:
        yield somebody
        assert (somebody.complaints.console, somebody.complaints.strangers) == ([], [])


@pytest.fixture
def admin(visitor, session_of):
    return visitor.enter(session_of("admin"))


@pytest.fixture
def without_script(chromium, base, session_of):
    """The administrator, with JavaScript off."""
    with person(chromium, base, java_script_enabled=False) as somebody:
        yield somebody.enter(session_of("admin"))
