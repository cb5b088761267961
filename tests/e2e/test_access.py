"""Access as a new administrator would try it: with pages only, and with the commands that they show."""

import re
import subprocess
import sys

from tests.e2e.browser import follow, person
from tests.e2e.inspection import everything
from tests.product import PASSWORD

KEY, ACCOUNT = "invoices", "invoice-printer"
CHOICE = f"{ACCOUNT} (service account, developer)"
SECONDS = 30


def look(page):
    page.wait_for_load_state()
    faults = everything(page, thoroughly=False)
    assert not faults, f"{page.url}\n" + "\n".join(faults)


def run(program, script, token):
    """The output of a snippet, with only the token in its environment."""
    done = subprocess.run(
        [program, "-"] if program == sys.executable else [program],
        input=script,
        env={"PATH": "/usr/bin:/bin", "CIPHERCANARY_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return done.stdout + done.stderr


def invite(page):
    """Invite a developer, and return the link."""
    page.get_by_role("link", name="Invite user").click()
    page.get_by_label("Username").fill("devika")
    page.get_by_role("radio", name=re.compile("Developer")).check()
    page.get_by_role("button", name="Create invitation").click()
    page.get_by_role("heading", name="Invitation for devika").wait_for()
    return page.locator("[data-value]").inner_text()


def begin_as_developer(devika, link):
    """Choose a password, create a key, and return the program in Python from its page."""
    page = devika.page
    page.goto(link)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Set password and sign in").click()
    page.wait_for_url("**/home/")
    devika.open("/keys/new").get_by_label("Name").fill(KEY)
    follow(page, page.get_by_role("button", name="Create key"))
    assert page.get_by_role("heading", name=KEY).is_visible()
    assert page.get_by_role("link", name="Access", exact=True).count() == 0
    steps = devika.open(f"/keys/{KEY}/use/?lang=python").locator("[data-value]").all_inner_texts()
    return "\n".join(steps[1:])


def create_account(page):
    """Create a service account with a token, and return the token and the command with it."""
    page.get_by_role("link", name="Service accounts").click()
    page.get_by_role("link", name="Create service account").first.click()
    page.get_by_label("Name").fill(ACCOUNT)
    page.get_by_role("button", name="Create service account").click()
    page.get_by_role("heading", name=f"{ACCOUNT} created").wait_for()
    look(page)
    page.get_by_role("link", name="Create token").click()
    page.get_by_label("Name", exact=True).fill("on app-3")
    for word in ("encrypt", "decrypt"):
        page.get_by_role("checkbox", name=word, exact=True).check()
    page.get_by_role("radio", name="Custom").check()
    page.get_by_label("Expires at (UTC)").wait_for()
    page.get_by_role("radio", name="30 days").check()
    page.get_by_label("Expires at (UTC)").wait_for(state="hidden")
    page.get_by_role("button", name="Create token").click()
    page.get_by_role("heading", name="Save the token on app-3").wait_for()
    look(page)
    token, export, curl = page.locator("[data-value]").all_inner_texts()
    assert export == f"export CIPHERCANARY_TOKEN={token}"
    page.reload()
    page.get_by_text("It is shown only once.").wait_for()
    assert token not in page.content()
    return token, curl.replace("KEY-NAME", KEY)


def grant(page):
    for word in ("Encrypt", "Decrypt"):
        page.get_by_label("Grant to").select_option(label=CHOICE)
        page.get_by_role("checkbox", name=word, exact=True).check()
        follow(page, page.get_by_role("button", name="Grant access"))
        page.get_by_text("Access granted.").wait_for()
    page.get_by_label("User or service account").select_option(label=CHOICE)
    follow(page, page.get_by_role("button", name="Check access"))
    page.get_by_text(f"Allowed. A grant on this key to {ACCOUNT} allows it.").wait_for()
    look(page)


def remove(page, word):
    """Remove the grant of one operation, after a first look at the dialog."""
    dialog = page.get_by_role("dialog")
    remover = page.get_by_role("link", name=f"Remove the grant to {word}, of {ACCOUNT}")
    remover.click()
    dialog.get_by_role("link", name="Cancel").click()
    dialog.wait_for(state="hidden")
    remover.click()
    dialog.get_by_label("Reason").fill("the invoices moved")
    dialog.get_by_role("button", name="Remove grant").click()
    remover.wait_for(state="detached")


def disable(page):
    dialog = page.get_by_role("dialog")
    page.get_by_role("link", name="Disable").click()
    dialog.get_by_label("Reason").fill("replaced")
    dialog.get_by_role("button", name="Disable").click()
    page.get_by_text(f"{ACCOUNT} disabled.").wait_for()
    look(page)
    page.get_by_role("link", name="Enable").click()
    dialog.get_by_role("button", name="Enable").wait_for()


def test_an_application_gets_one_key_uses_it_and_loses_it(admin, chromium, base):
    page = admin.open("/users/")
    link = invite(page)
    with person(chromium, base) as devika:
        python = begin_as_developer(devika, link)
    admin.open("/users/")
    token, curl = create_account(page)
    account_url = page.url
    assert '"code": "not_found"' in run("bash", curl, token)
    admin.open(f"/keys/{KEY}/access/")
    grant(page)
    assert '"ciphertext"' in run("bash", curl, token)
    assert run(sys.executable, python, token).splitlines()[-1] == "hello canary"
    remove(page, "encrypt")
    assert '"rule": "no-grant"' in run("bash", curl, token)
    remove(page, "decrypt")
    assert '"code": "not_found"' in run("bash", curl, token)
    page.goto(account_url)
    disable(page)
    assert "The service token was revoked" in run("bash", curl, token)
