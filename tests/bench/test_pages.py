from django.urls import resolve

from bench.pages import Page, cells, pages
from bench.reads import Wait
from keys.pages.views.bulk import BULK_ACTS
from tests.pages import PAGES

# Pages without a measurement: rarely opened, of the user's own account, or in the middle of another action.
SELDOM = {
    "root",
    "inspect-page",
    "random-page",
    "key-sign-file",
    "first-key",
    "usage-file",
    "key-public-file",
    "key-public-page",
    "key-scream-test-page",
    "audit-entry-proof",
    "audit-saved",
    "audit-saved-new",
    "keys-saved",
    "keys-saved-new",
    "audit-export-new",
    "invitation",
    "password-reset",
    "user",
    "policy",
    "reference-call",
    "webhook-page",
    "log-target",
    "log-target-new",
    "log-target-edit",
    "log-target-enable",
    "log-target-disable",
    "log-target-position",
    "log-target-delete",
}
OF_AN_ACCOUNT = {
    "password",
    "mfa",
    "mfa-setup",
    "mfa-codes",
    "mfa-remove",
    "passkeys",
    "passkey-new",
    "sessions",
}
OF_AN_ACCOUNT |= {"appearance", "reauth", "login", "login-code", "oidc-callback", "setup", "setup-link"}
OF_A_JOB = {
    "job",
    "job-cancel",
    "rotation-job",
    "rotation-job-cancel",
    "reencryption-job",
    "reencryption-job-cancel",
    "file-job",
    "file-new",
    "file-job-cancel",
    "verification",
    "verification-cancel",
    "verification-new",
    "rewrap",
    "rewrap-cancel",
    "rewrap-new",
}
CHANGES = {
    "key-notes",
    "key-succeed",
    "key-import",
    "key-export",
    *(act.url_name for act in BULK_ACTS),
    "key-activate",
    "key-enable",
    "key-revoke",
    "key-mark-compromised",
}
CHANGES |= {
    name for name in PAGES if name.startswith(("user-", "service-account-", "token-", "key-grant-", "grant-"))
}
CHANGES |= {
    "account-token-new",
    "application-connect",
    "alarm-resolve",
    "key-minimum",
    "key-schedule-deletion",
    "key-transfer",
    "reencryption-new",
    "key-cancel-deletion",
}
CHANGES |= {name for name in PAGES if name.startswith(("key-version-", "policy-"))}
CHANGES |= {name for name in PAGES if name.startswith("webhook-")} - {"webhook-page"}


def test_every_main_page_is_asked_for():
    asked = {resolve(page.path.partition("?")[0]).view_name for page in pages(1)}
    assert (
        asked
        == {name for name, page in PAGES.items() if page.get} - SELDOM - OF_AN_ACCOUNT - OF_A_JOB - CHANGES
    )


def test_a_line_shows_the_user_the_wait_and_the_verdict():
    assert cells(Page("/keys/"), Wait(12.3, 61)) == ["/keys/", "12.3", "61", "≤ 60 ms", "NO"]
    assert cells(Page("/usage/?range=30d"), Wait(1, 100))[-2:] == ["≤ 100 ms", "yes"]
    assert cells(Page("/home/", "developer"), Wait(1, 101)) == [
        "/home/ of the developer",
        "1",
        "101",
        "≤ 100 ms",
        "NO",
    ]
