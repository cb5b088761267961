"""One product for all browser tests of a process: gunicorn on PostgreSQL and Redis, and a user of each role.

What is started here ends with this folder, not with the process: as long as Playwright runs, no other test of its thread
can start a loop.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.e2e.browser import launch, person
from tests.e2e.chromium import MISSING, find_chromium
from tests.product import PASSWORD, POSTGRESQL_URL, Product

FOLDER = Path(__file__).parent
PATIENT = {"CC_DB_POOL_TIMEOUT": "60"}  # seconds: on a busy machine a page may be late, and must not fail
ROLES = ("admin", "operator", "developer", "auditor")


@pytest.hookimpl(trylast=True)  # after the order was left to chance
def pytest_collection_modifyitems(items):
    """The tests of this folder come last, together: else each of its files would start the product anew."""
    items.sort(key=lambda item: FOLDER in item.path.parents)


@pytest.fixture(scope="package")
def served(tmp_path_factory):
    if not POSTGRESQL_URL:
        pytest.skip("browser tests run on the half with PostgreSQL and Redis")
    if not find_chromium():
        pytest.fail(MISSING)
    with Product(tmp_path_factory.mktemp("e2e"), **PATIENT) as product:
        for role in ROLES[1:]:
            product.create_user(role, role)
        yield product


@dataclass(frozen=True)
class Demo:
    """Where a product with the data of load_demo answers; everybody's password is the tests' own."""

    base: str
    product: Product


@pytest.fixture(scope="package")
def demo(tmp_path_factory, served):
    with Product(tmp_path_factory.mktemp("demo"), **PATIENT) as product:
        product.load_demo()
        yield Demo(f"http://127.0.0.1:{product.port}", product)


@pytest.fixture(scope="package")
def base(served):
    return f"http://127.0.0.1:{served.port}"


@pytest.fixture(scope="package")
def api(served):
    """``api("POST", "/api/v1/keys", {...})`` as the administrator; an assertion where it is refused."""
    token = served.token()

    def call(method, path, body=None):
        reply = served.send(method, path, body, token=token)
        assert reply.status < 300, reply.content
        return reply.json

    return call


@pytest.fixture(scope="package")
def chromium(served):
    # Playwright's loop would make Django believe that it is called from asynchronous code.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def visitor(chromium, base):
    """Somebody who is not signed in. At the end of the test nothing may have been complained of."""
    with person(chromium, base) as somebody:
        yield somebody
        assert (somebody.complaints.console, somebody.complaints.strangers) == ([], [])


@pytest.fixture
def admin(visitor):
    return visitor.sign_in("admin")


@pytest.fixture
def without_script(chromium, base):
    """The administrator, with JavaScript off."""
    with person(chromium, base, java_script_enabled=False) as somebody:
        yield somebody.sign_in("admin", PASSWORD)
