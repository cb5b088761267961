"""An application is connected with few clicks, and the code on the page runs unchanged."""

import re
import subprocess
import sys

import pytest

from tests.crypto_ops.test_documented_examples import with_client
from tests.e2e.browser import NARROW, WIDE, Counted, person
from tests.e2e.inspection import everything

CLICKS, TYPED, SECONDS = 6, 1, 60


def connect(hand, name):
    """From Home to the page with the token."""
    hand.click("link", "Users")
    hand.click("link", "Service accounts")
    hand.click("link", "Connect an application")
    hand.type("Name of the application", name)
    hand.click("checkbox", f"a-key-of-{name}")
    hand.click("button", "Connect application")
    hand.page.get_by_role("heading", name=f"{name} connected").wait_for()


def run(program, script, environment, folder):
    """The output of code of the page, with the token and the URL in the environment only."""
    done = subprocess.run(
        program,
        input=script,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("viewport", "with_script"), [(WIDE, True), (NARROW, False)], ids=["script", "none"])
def test_an_application_is_connected_within_six_clicks(
    chromium, base, session_of, api, tmp_path, viewport, with_script
):
    name = "with-script" if with_script else "without"
    api("POST", "/api/v1/keys", {"name": f"a-key-of-{name}", "algorithm": "aes-256"})
    with person(chromium, base, viewport=viewport, java_script_enabled=with_script) as somebody:
        page = somebody.enter(session_of("admin")).open("/home/")
        hand = Counted(page)
        connect(hand, name)
        assert (hand.clicks <= CLICKS, hand.typed <= TYPED) == (True, True)
        if with_script:
            assert not everything(page, thoroughly=True)
        token = page.get_by_label("Token", exact=True).inner_text()
        client, curl, command = page.locator("pre[data-value]").all_inner_texts()[2:]
        page.reload()
        page.get_by_text("Its token is shown only once.").wait_for()
        assert token not in page.content()
        assert (somebody.complaints.console, somebody.complaints.strangers) == ([], [])
    environment = with_client(tmp_path, base, token)
    for program, script in (([sys.executable, "-"], client), (["bash"], curl), (["bash"], command)):
        assert run(program, script, environment, tmp_path).strip().endswith("hello canary")
    assert re.fullmatch(r"cct_[0-9a-f]{72}", token)
