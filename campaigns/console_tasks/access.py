"""Tasks of applications, tokens, grants and users."""

import subprocess

from campaigns.console_tasks.hand import Hand, Task
from campaigns.console_tasks.keys import give_reason
from tests.e2e.browser import person
from tests.product import PASSWORD

APPLICATION, KEY = "invoice-printer", "card-expiry-dates"
SUPPORT = "support-desk (service account, developer)"
TOKEN = "nightly-report"
NEWCOMER, NEW_PASSWORD = "devika", f"another {PASSWORD}"


def connect(hand: Hand) -> None:
    """Until the code of the page, pasted into a shell, has encrypted its first message."""
    hand.go("Users", "Service accounts", "Connect an application")
    hand.confirm()
    hand.type("Name of the application", APPLICATION)
    hand.click("checkbox", KEY, exact=True)
    hand.click("button", "Connect application")
    hand.page.get_by_role("heading", name=f"{APPLICATION} connected").wait_for()
    commands = hand.copy("the commands that set the server and the token")
    token = hand.copy("the token")
    hand.clicks += 1  # the key Enter after the pasted token
    done = run_in_shell(f"{commands}\n{hand.copy('curl')}", typed=token)
    assert done.endswith("hello canary\n"), done


def run_in_shell(script: str, typed: str) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        input=f"{typed}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def grant(hand: Hand) -> None:
    hand.open_key(KEY, "Access")
    hand.choose("Grant to", SUPPORT)
    hand.click("checkbox", "Encrypt", exact=True)
    hand.click("button", "Grant access")
    hand.is_told("Access granted.")


def check(hand: Hand) -> None:
    hand.open_key(KEY, "Access")
    hand.choose("User or service account", SUPPORT)
    hand.click("button", "Check access")
    hand.sees("A grant on this key to support-desk allows it.")


def remove(hand: Hand) -> None:
    hand.open_key(KEY, "Access")
    row = hand.page.get_by_role("link", name="Remove the grant to encrypt, of support-desk")
    hand.take(row)
    give_reason(hand, "Remove grant")
    row.wait_for(state="detached")


def invite(hand: Hand) -> None:
    """Until the invited person has chosen a password and is signed in."""
    hand.go("Users", "Invite user")
    hand.confirm()
    hand.type("Username", NEWCOMER)
    hand.click("radio", "Developer")
    hand.click("button", "Create invitation")
    link = hand.copy("the invitation link")
    with person(hand.browser, hand.person.base) as newcomer:
        newcomer.page.goto(link)
        theirs = hand.with_page_of(newcomer)
        theirs.type("Password", PASSWORD)
        theirs.click("button", "Set password and sign in")
        newcomer.page.wait_for_url("**/home/")
    hand.add(theirs)


def reset_password(hand: Hand) -> None:
    """Until the person has signed in with the new password."""
    hand.go("Users", "report-job")
    hand.click("link", "Reset password")
    hand.confirm()
    hand.type("Reason", "forgot it")
    hand.type("Username", "report-job")
    hand.click("button", "Reset password")
    link = hand.copy("the password reset link")
    with person(hand.browser, hand.person.base) as forgetful:
        forgetful.page.goto(link)
        theirs = hand.with_page_of(forgetful)
        theirs.type("Password", NEW_PASSWORD)
        theirs.click("button", "Set password", exact=True)
        forgetful.page.get_by_text("Your password has been changed").wait_for()
        theirs.type("Username", "report-job")
        theirs.type("Password", NEW_PASSWORD)
        theirs.click("button", "Sign in", exact=True)
        forgetful.page.wait_for_url("**/home/")
    hand.add(theirs)


def change_role(hand: Hand) -> None:
    hand.go("Users", "payments-api")
    hand.click("link", "Change role")
    hand.confirm()
    hand.click("radio", "Operator")
    hand.type("Reason", "a rehearsal")
    hand.click("button", "Change role")
    hand.is_told("payments-api has a new role.")


def create_token(hand: Hand) -> None:
    """One's own, with the right to read keys."""
    hand.open_account("Tokens")
    hand.click("link", "Create token")
    hand.confirm()
    hand.type("Name", TOKEN)
    hand.click("checkbox", "encrypt", exact=True)
    hand.click("button", "Create token")
    assert hand.copy("the token").startswith("cct_"), hand.page.url


def rotate_token(hand: Hand) -> None:
    hand.open_account("Tokens")
    hand.click("link", f"Rotate {TOKEN}", exact=True)
    hand.confirm()
    hand.click("button", "Create new token")
    assert hand.copy("the token").startswith("cct_"), hand.page.url


def revoke_token(hand: Hand) -> None:
    hand.open_account("Tokens")
    newest = hand.page.get_by_role("link", name=f"Revoke {TOKEN}", exact=True).first
    hand.take(newest)
    give_reason(hand, "Revoke token")
    hand.is_told(f"Token {TOKEN} revoked.")


TASKS = (
    Task("connect an application, up to its first successful encryption", connect, confirms=True),
    Task("grant a service account access to a key", grant),
    Task("check the access to a key", check),
    Task("remove the access", remove),
    Task("invite a user, up to their sign-in", invite, confirms=True),
    Task("reset a forgotten password, up to the sign-in with the new one", reset_password, confirms=True),
    Task("change the role of a user", change_role, confirms=True),
    Task("create a token", create_token, confirms=True),
    Task("rotate a token", rotate_token, confirms=True),
    Task("revoke a token", revoke_token, follows=True),
)
