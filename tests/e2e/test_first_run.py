"""40: from bin/serve in an empty folder to a visible ciphertext, in less than a minute and with few clicks."""

import re
import subprocess
import time

import pytest

from tests.e2e.browser import NARROW, WIDE, Counted, person
from tests.product import PASSWORD, Product

LINK = re.compile(r"http://127\.0\.0\.1:\d+(/setup/[\w-]{43}/)")
SECONDS, CLICKS, TYPED = 60, 6, 2


@pytest.fixture
def empty(tmp_path):
    """An empty folder: no database, no Redis, no password."""
    product = Product(tmp_path, database="", redis=False, CC_ADMIN_PASSWORD="")
    assert not product.home.exists()
    yield product
    product.kill()


@pytest.mark.parametrize(
    ("viewport", "with_script"),
    [pytest.param(WIDE, True, id="script", marks=pytest.mark.smoke), pytest.param(NARROW, False, id="none")],
)
def test_from_nothing_to_a_ciphertext(chromium, empty, viewport, with_script):
    began = time.monotonic()
    empty.start()
    [link] = LINK.findall(empty.stdout)
    options = {"viewport": viewport, "java_script_enabled": with_script}
    with person(chromium, f"http://127.0.0.1:{empty.port}", **options) as somebody:
        hand = Counted(somebody.open(link))
        hand.type("Password", PASSWORD)
        if with_script:
            somebody.page.get_by_role("status").get_by_text("28 characters: very good.").wait_for()
        hand.click("button", "Create account and sign in")
        hand.click("button", "Create and encrypt")
        ciphertext = somebody.page.get_by_text(re.compile(r"^cc1\.")).inner_text()
        took = time.monotonic() - began
        steps = [somebody.page.get_by_label(f"Step {number}:").inner_text() for number in (1, 2)]
        hand.click("button", "Decrypt")
        somebody.page.get_by_text("Message: hello canary").wait_for()
        assert somebody.page.get_by_text(ciphertext).is_visible()
        hand.click("link", "View in audit log")
        somebody.page.get_by_role("table").get_by_text("Decrypt", exact=True).first.wait_for()
        assert (took < SECONDS, hand.clicks <= CLICKS, hand.typed <= TYPED) == (True, True, True), took
        assert (somebody.complaints.console, somebody.complaints.strangers) == ([], [])
    require_snippets_to_run(empty, steps)


def require_snippets_to_run(product, steps):
    """Name and password come from the environment; the second step needs the token alone."""
    environment = {
        "PATH": product.environment["PATH"],
        "CIPHERCANARY_USERNAME": "admin",
        "CIPHERCANARY_PASSWORD": PASSWORD,
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(steps)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"ciphertext"' in done.stdout
