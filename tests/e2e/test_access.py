"""Access as a new administrator would try it: with pages only, and with the commands that they show."""

import re
import subprocess
import sys

from tests.e2e.browser import follow, person
from tests.e2e.inspection import everything
from tests.product import PASSWORD

KEY = "invoices"
SECONDS = 30


def look(page):
    page.wait_for_load_state()
    faults = everything(page, thoroughly=True)
    assert not faults, f"{page.url}\n" + "\n".join(faults)


def run(program, script, token):
    """The output of a snippet, with only the token in its environment."""
    environment = {"PATH": "/usr/bin:/bin", "CIPHERCANARY_TOKEN": token}
    done = subprocess.run(
        [program, "-"],
        input=script,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return done.stdout + done.stderr


def test_an_application_gets_one_key_uses_it_and_loses_it(admin, chromium, base):
    page = admin.open("/users/")
    page.get_by_role("link", name="Invite user").click()
    page.get_by_label("Username").fill("devika")
    page.get_by_role("radio", name=re.compile("Developer")).check()
    page.get_by_role("button", name="Create invitation").click()
    page.get_by_role("heading", name="Invitation for devika").wait_for()
    invitation = page.locator("[data-value]").inner_text()

    with person(chromium, base) as devika:
        devika.page.goto(invitation)
        devika.page.get_by_label("Password", exact=True).fill(PASSWORD)
        devika.page.get_by_role("button", name="Set password and sign in").click()
        devika.page.wait_for_url("**/home/")
        devika.open("/keys/new").get_by_label("Name").fill(KEY)
        follow(devika.page, devika.page.get_by_role("button", name="Create key"))
        assert devika.page.get_by_role("heading", name=KEY).is_visible()
        assert devika.page.get_by_role("link", name="Access").count() == 0
        python = "\n".join(
            devika.open(f"/keys/{KEY}/use/?lang=python").locator("[data-value]").all_inner_texts()[1:]
        )

    admin.open("/users/")
    page.get_by_role("link", name="Service accounts").click()
    page.get_by_role("link", name="Create service account").click()
    page.get_by_label("Name").fill("invoice-printer")
    page.get_by_role("button", name="Create service account").click()
    page.get_by_role("heading", name="invoice-printer created").wait_for()
    look(page)
    page.get_by_role("link", name="Create token").click()
    page.get_by_label("Name", exact=True).fill("on app-3")
    for word in ("encrypt", "decrypt"):
        page.get_by_role("checkbox", name=word, exact=True).check()
    page.get_by_role("radio", name="Another time").check()
    page.get_by_label("Expires at (UTC)").wait_for()
    page.get_by_role("radio", name="30 days").check()
    page.get_by_label("Expires at (UTC)").wait_for(state="hidden")
    page.get_by_role("button", name="Create token").click()
    page.get_by_role("heading", name="Save the token on app-3").wait_for()
    look(page)
    token, export, curl = page.locator("[data-value]").all_inner_texts()
    assert export == f"export CIPHERCANARY_TOKEN={token}"
    curl = curl.replace("KEY-NAME", KEY)
    page.reload()
    page.get_by_text("It is shown only once.").wait_for()
    assert token not in page.content()
    account_url = page.url
    assert '"code": "not_found"' in run("bash", curl, token) or "not_found" in run("bash", curl, token)

    admin.open(f"/keys/{KEY}/access/")
    page.get_by_label("Grant to").select_option(label="invoice-printer (service account, developer)")
    for word in ("Encrypt", "Decrypt"):
        page.get_by_role("checkbox", name=word, exact=True).check()
    follow(page, page.get_by_role("button", name="Grant access"))
    page.get_by_text("Access granted.").wait_for()
    assert '"ciphertext"' in run("bash", curl, token)
    assert run(sys.executable, python, token).splitlines()[-1] == "hello canary"
    page.get_by_label("User or service account").select_option(
        label="invoice-printer (service account, developer)"
    )
    follow(page, page.get_by_role("button", name="Check access"))
    assert "Allowed. Grant on this key, to invoice-printer." in page.get_by_role("status").filter(
        has_text="Rule:"
    ).inner_text().replace("\n", " ")
    look(page)

    page.get_by_role("link", name="Remove the grant to invoice-printer").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("link", name="Cancel").click()
    dialog.wait_for(state="hidden")
    page.get_by_role("link", name="Remove the grant to invoice-printer").click()
    dialog.get_by_label("Reason").fill("the invoices moved")
    dialog.get_by_role("button", name="Remove grant").click()
    page.get_by_text("Grant removed.").wait_for()
    refused = run("bash", curl, token)
    assert "not_found" in refused

    page.goto(account_url)
    page.get_by_role("link", name="Disable").click()
    dialog.get_by_label("Reason").fill("replaced")
    dialog.get_by_role("button", name="Disable").click()
    page.get_by_text("invoice-printer disabled.").wait_for()
    look(page)
    page.goto(account_url + "enable")
    look(page)
    assert "token_revoked" in run("bash", curl, token)
