"""Tasks with the keys that are selected in the list."""

from campaigns.console_tasks.hand import Hand, Task

KEYS = ("device-fingerprints", "merchant-bank-details", "refund-notes")


def select(hand: Hand, act: str, keys: tuple[str, ...] = KEYS) -> None:
    hand.go("Keys")
    for name in keys:
        hand.click("checkbox", f"Select {name}", exact=True)
    bar = hand.page.get_by_role("form", name="Selected keys")
    hand.take(bar.get_by_role("button", name=act))


def rotate(hand: Hand) -> None:
    select(hand, "Rotate")
    hand.type("Reason", "a rehearsal")
    hand.click("button", "Rotate 3 keys")
    hand.is_told("3 keys rotated.")


def tag(hand: Hand) -> None:
    select(hand, "Tag")
    hand.type("Tag", "reviewed-2026")
    hand.click("button", "Save")
    hand.page.locator("#toasts").get_by_text("3 keys").wait_for()


def set_period(hand: Hand) -> None:
    select(hand, "Rotation period")
    hand.type("Rotation period (days)", "60")
    hand.click("button", "Save")
    hand.page.locator("#toasts").get_by_text("3 keys").wait_for()


def set_policy(hand: Hand) -> None:
    select(hand, "Policy", ("payments-db", "payout-iban"))
    hand.choose("Policy", "finance-files (aes-256)")
    hand.click("button", "Save")
    hand.confirm()
    if hand.confirmations:
        hand.click("button", "Save")
    hand.page.locator("#toasts").get_by_text("2 keys").wait_for()


def grant(hand: Hand) -> None:
    select(hand, "Grant")
    hand.choose("Grant to", "card-vault (developer)")
    hand.click("checkbox", "Encrypt", exact=True)
    hand.click("button", "Grant")
    hand.page.locator("#toasts").get_by_text("3 keys").wait_for()


def disable(hand: Hand) -> None:
    select(hand, "Disable")
    hand.click("checkbox", "Disable although")
    hand.type("Reason", "a rehearsal")
    hand.click("button", "Disable")
    hand.page.locator("#toasts").get_by_text("3 keys disabled.").wait_for()


TASKS = (
    Task("rotate 3 selected keys", rotate),
    Task("add a tag to 3 selected keys", tag),
    Task("set the rotation period of 3 selected keys", set_period),
    Task("grant access to 3 selected keys", grant),
    Task("set the policy of 2 selected keys", set_policy, confirms=True),
    Task("disable 3 selected keys in use", disable),
)
