"""Tasks with one key."""

import base64

from playwright.sync_api import expect

from campaigns.console_tasks.hand import Hand, Task

OTHER = "payments-api (developer)"


def create(hand: Hand) -> None:
    hand.go("Keys", "Create key")
    hand.type("Name", "invoices-2027")
    hand.take(hand.dialog.get_by_role("button", name="Create key"))
    hand.is_told("Key invoices-2027 created.")
    expect(hand.page.locator("#key-rows th a.mono").first).to_have_text("invoices-2027")


def import_symmetric(hand: Hand) -> None:
    """The page chooses the format that suits the algorithm."""
    hand.go("Keys", "Import key")
    hand.type("Name", "from-another-system")
    hand.choose("Algorithm", "aes-256")
    expect(hand.page.get_by_label("Format", exact=True)).to_have_value("raw")
    hand.type("Key material", base64.b64encode(bytes(range(32))).decode())
    hand.click("button", "Import key")
    hand.is_told("Key from-another-system imported.")
    hand.has_state("Active")


def describe(hand: Hand) -> None:
    hand.open_key("customer-email")
    hand.click("link", "Edit description and tags")
    hand.fill(hand.dialog.get_by_label("Description", exact=True), "E-mail addresses of customers.")
    hand.take(hand.dialog.get_by_role("button", name="Save"))
    hand.is_told("customer-email saved.")
    hand.sees("E-mail addresses of customers.")


def rotate(hand: Hand) -> None:
    hand.open_key("payments-db")
    act(hand, "Rotate now")
    hand.is_told("payments-db rotated.")


def act(hand: Hand, label: str, reason: str = "a rehearsal") -> None:
    """An action of the page's head, in a dialog with a reason."""
    hand.click("link", label, exact=True)
    give_reason(hand, label, reason)


def give_reason(hand: Hand, label: str, reason: str = "a rehearsal") -> None:
    hand.fill(hand.dialog.get_by_label("Reason", exact=True), reason)
    hand.take(hand.dialog.get_by_role("button", name=label, exact=True))


def disable(hand: Hand) -> None:
    """A key in use: the page shows the callers."""
    hand.open_key("staging-payments-db")
    hand.click("link", "Disable", exact=True)
    hand.dialog.get_by_text("This key is in use.").wait_for()
    give_reason(hand, "Disable")
    hand.is_told("staging-payments-db disabled.")
    hand.has_state("Disabled")


def enable(hand: Hand) -> None:
    hand.open_key("staging-payments-db")
    act(hand, "Enable")
    hand.is_told("staging-payments-db enabled.")
    hand.has_state("Active")


def activate(hand: Hand) -> None:
    hand.open_key("payouts-2027")
    act(hand, "Activate now")
    hand.is_told("payouts-2027 activated.")
    hand.has_state("Active")


def replace(hand: Hand) -> None:
    hand.open_key("sandbox-merchants")
    hand.click("link", "Replace with another key")
    hand.confirm()
    hand.type("Name of the new key", "sandbox-merchants-2027")
    hand.type("Reason", "a rehearsal")
    hand.click("button", "Replace key")
    hand.is_told("sandbox-merchants replaced by sandbox-merchants-2027.")


def end(hand: Hand, name: str, label: str, anyway: str = "") -> None:
    """An action of the danger zone. ``anyway``: the label of the check box of a key in use begins with it."""
    hand.open_key(name, "Settings")
    hand.click("link", label)
    hand.confirm()
    if anyway:
        hand.click("checkbox", anyway)
    hand.type("Reason", "a rehearsal")
    hand.type("Key name", name)
    hand.click("button", label)


def revoke(hand: Hand) -> None:
    end(hand, "chargeback-evidence", "Revoke", "Revoke anyway")
    hand.is_told("chargeback-evidence revoked.")
    hand.has_state("Revoked")


def mark_compromised(hand: Hand) -> None:
    end(hand, "merchant-kyc-documents", "Mark as compromised", "Mark as compromised anyway")
    hand.is_told("merchant-kyc-documents marked as compromised.")
    hand.has_state("Compromised")


def schedule_deletion(hand: Hand) -> None:
    end(hand, "terminal-config", "Schedule deletion", "Schedule anyway")
    hand.is_told("terminal-config scheduled for deletion.")
    hand.sees("Cancel deletion")


def cancel_deletion(hand: Hand) -> None:
    hand.open_key("terminal-config")
    hand.take(hand.page.locator("#notice-cancel-deletion"))
    give_reason(hand, "Cancel deletion")
    hand.is_told("terminal-config is no longer scheduled for deletion.")
    hand.has_state("Disabled")


def open_version(hand: Hand, name: str, act: str) -> None:
    hand.open_key(name, "Versions")
    hand.take(hand.page.locator(f"#version-2-{act}"))


def disable_version(hand: Hand) -> None:
    open_version(hand, "ledger-exports", "disable")
    give_reason(hand, "Disable")
    hand.is_told("Version 2 of ledger-exports disabled.")


def enable_version(hand: Hand) -> None:
    open_version(hand, "ledger-exports", "enable")
    give_reason(hand, "Enable")
    hand.is_told("Version 2 of ledger-exports enabled.")


def schedule_destruction(hand: Hand) -> None:
    open_version(hand, "ledger-exports", "schedule-destruction")
    hand.confirm()
    hand.type("Reason", "a rehearsal")
    hand.type("Key name", "ledger-exports")
    hand.click("button", "Schedule destruction")
    hand.is_told("Version 2 of ledger-exports scheduled for destruction.")


def cancel_destruction(hand: Hand) -> None:
    open_version(hand, "ledger-exports", "cancel-destruction")
    give_reason(hand, "Cancel destruction")
    hand.is_told("Version 2 of ledger-exports is no longer scheduled for destruction.")


def raise_minimum(hand: Hand) -> None:
    hand.open_key("webhook-secrets", "Versions")
    hand.type("New minimum version", "2")
    hand.click("button", "Change minimum")
    hand.confirm()
    hand.type("Key name", "webhook-secrets")
    hand.click("button", "Raise minimum version")
    hand.sees("The minimum version is 2.")


def transfer(hand: Hand) -> None:
    hand.open_key("fraud-features", "Settings")
    hand.click("link", "Transfer key")
    hand.confirm()
    hand.choose("New owner", OTHER)
    hand.type("Reason", "a rehearsal")
    hand.click("button", "Transfer key")
    hand.is_told("fraud-features transferred.")


def transfer_all(hand: Hand) -> None:
    hand.go("Users", "card-vault")
    hand.click("link", "Transfer all keys")
    hand.confirm()
    hand.choose("New owner", OTHER)
    hand.type("Reason", "the team leaves")
    hand.click("button", "Transfer")
    hand.page.locator("#toasts").get_by_text("transferred").wait_for()


TASKS = (
    Task("create a key", create),
    Task("import a key", import_symmetric),
    Task("change the description of a key", describe),
    Task("rotate a key", rotate),
    Task("disable a key in use", disable),
    Task("enable a key", enable),
    Task("activate a pending key", activate),
    Task("disable a version", disable_version),
    Task("enable a version", enable_version),
    Task("replace a key with another one", replace, confirms=True),
    Task("revoke a key in use", revoke, confirms=True),
    Task("mark a key in use as compromised", mark_compromised, confirms=True),
    Task("schedule the deletion of a key in use", schedule_deletion, confirms=True),
    Task("cancel a deletion", cancel_deletion, follows=True),
    Task("schedule the destruction of a version", schedule_destruction, confirms=True),
    Task("cancel a destruction", cancel_destruction, follows=True),
    Task("raise the minimum version", raise_minimum, confirms=True),
    Task("transfer a key", transfer, confirms=True),
    Task("transfer all keys of a user", transfer_all, confirms=True),
)
