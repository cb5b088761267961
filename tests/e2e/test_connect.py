"""An application is connected with few clicks, and the code on the page runs unchanged."""

import subprocess
import sys

import pytest

from tests.crypto_ops.test_documented_examples import with_client
from tests.e2e.browser import NARROW, WIDE, Counted, person
from tests.e2e.inspection import everything

CLICKS, TYPED, SECONDS = 6, 1, 60


def from_home(hand, key):
    hand.click("link", "Users", exact=True)
    hand.click("link", "Service accounts")
    hand.click("link", "Connect an application")
    hand.click("checkbox", key)


def from_the_key(hand, key):
    """On a phone, through the menu. The operations of the key are chosen."""
    hand.click("button", "Menu")
    hand.click("link", "Keys", exact=True)
    hand.click("link", key, exact=True)
    hand.click("link", "Use it", exact=True)
    hand.click("link", "Connect an application")


WAYS = {  # by the algorithm of the key, with the last line of each program
    "aes-256": (from_home, WIDE, True, ["hello canary"] * 3),
    "ed25519": (from_the_key, NARROW, False, ["True", "true", "The signature is valid."]),
}


def run(program, script, environment, folder):
    """The last line that code of the page prints, with the token and the URL in the environment only."""
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
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("algorithm", WAYS)
def test_an_application_is_connected_within_six_clicks(chromium, base, session_of, api, tmp_path, algorithm):
    begin, viewport, with_script, printed = WAYS[algorithm]
    name, key = f"app-{algorithm}", f"a-key-for-{algorithm}"
    api("POST", "/api/v1/keys", {"name": key, "algorithm": algorithm})
    with person(chromium, base, viewport=viewport, java_script_enabled=with_script) as somebody:
        page = somebody.enter(session_of("admin")).open("/home/")
        hand = Counted(page)
        begin(hand, key)
        hand.type("Name of the application", name)
        hand.click("button", "Connect application")
        page.get_by_role("heading", name=f"{name} connected").wait_for()
        assert (hand.clicks <= CLICKS, hand.typed <= TYPED) == (True, True)
        if with_script:
            assert everything(page, thoroughly=True) == []
        token, _, *programs = page.locator("pre[data-value]").all_inner_texts()
        page.reload()
        page.get_by_text("Its token is shown only once.").wait_for()
        assert token not in page.content()
        assert (somebody.complaints.console, somebody.complaints.strangers) == ([], [])
    environment, commands = with_client(tmp_path, base, token), ([sys.executable, "-"], ["bash"], ["bash"])
    found = [run(*each, environment, tmp_path) for each in zip(commands, programs, strict=True)]
    assert found == printed
