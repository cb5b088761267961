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
    hand.click("button", "Change tags")
    hand.is_told("Tag reviewed-2026 added to 3 keys.")


def set_period(hand: Hand) -> None:
    select(hand, "Rotation period")
    hand.type("Rotation period (days)", "60")
    hand.click("button", "Set rotation period")
    hand.is_told("Rotation period of 3 keys set.")


def set_policy(hand: Hand) -> None:
    select(hand, "Policy", ("payments-db", "webhook-secrets"))
    hand.choose("Policy", "finance-files (aes-256)")
    hand.click("button", "Set policy")
    hand.confirm()
    if hand.confirmations:
        hand.click("button", "Set policy")
    hand.is_told("Policy of 2 keys set.")


def grant(hand: Hand) -> None:
    select(hand, "Grant")
    hand.choose("Grant to", "card-vault (developer)")
    hand.click("checkbox", "Encrypt", exact=True)
    hand.click("button", "Grant access")
    hand.is_told("Access to 3 keys granted.")


def disable(hand: Hand) -> None:
    select(hand, "Disable")
    hand.click("checkbox", "Disable although")
    hand.type("Reason", "a rehearsal")
    hand.click("button", "Disable")
    hand.is_told("3 keys disabled.")


TASKS = (
    Task("rotate 3 selected keys", rotate),
    Task("add a tag to 3 selected keys", tag),
    Task("set the rotation period of 3 selected keys", set_period),
    Task("grant access to 3 selected keys", grant),
    Task("set the policy of 2 selected keys", set_policy, confirms=True),
    Task("disable 3 selected keys in use", disable),
)
