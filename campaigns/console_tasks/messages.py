"""Tasks that use a key."""

from playwright.sync_api import expect

from campaigns.console_tasks.hand import Hand, Task
from campaigns.console_tasks.keys import act
from tests.e2e.access import SIGNING, add_signing_key
from tests.product import Product

MESSAGE = "hello canary"


def _operate(hand: Hand, operation: str, said: str = "") -> None:
    hand.click("button", operation, exact=True)
    hand.page.locator("#try-said", has_text=said or f"{operation}ed with").wait_for()


def _result(hand: Hand) -> str:
    return hand.page.locator("#try-result textarea:visible").input_value()


def encrypt_and_decrypt(hand: Hand) -> None:
    hand.open_key("card-pan-vault", "Try it")
    hand.type("Input", MESSAGE)
    _operate(hand, "Encrypt")
    hand.click("button", "Use as input")
    hand.page.get_by_role("button", name="Decrypt", exact=True).wait_for()
    _operate(hand, "Decrypt")
    assert _result(hand) == MESSAGE


def rotate_between(hand: Hand) -> None:
    """The input stays during the rotation."""
    hand.open_key("customer-phone-index", "Try it")
    hand.type("Input", MESSAGE)
    _operate(hand, "Encrypt")
    hand.click("button", "Use as input")
    hand.page.get_by_role("button", name="Decrypt", exact=True).wait_for()
    act(hand, "Rotate now")
    hand.is_told("customer-phone-index rotated.")
    _operate(hand, "Decrypt")
    assert _result(hand) == MESSAGE


def make_ciphertext(product: Product) -> str:
    body = {"key_id": "name:card-pan-vault", "algorithm": "aes-256-gcm", "data": "aGVsbG8="}
    reply = product.send("POST", "/api/v1/encrypt", body, token=product.token("mira"))
    return str(reply.json["ciphertext"])


def inspect(hand: Hand) -> None:
    hand.go("Keys", "Inspect a ciphertext")
    hand.type("Ciphertext", hand.given)
    hand.click("button", "Inspect")
    hand.page.get_by_role("region", name="Header").get_by_role("link", name="card-pan-vault").wait_for()


def make_signing_key(product: Product) -> str:
    add_signing_key(product, "mira")
    return SIGNING


def sign_file(hand: Hand) -> None:
    """Choosing the file is one click."""
    hand.open_key(hand.given, "Try it")
    hand.click("link", "Sign or verify a file")
    hand.page.get_by_label("Digest of the file").wait_for()
    hand.page.wait_for_load_state("domcontentloaded")  # the script that hashes the file runs
    hand.clicks += 1
    content = {"name": "release.tar", "mimeType": "application/x-tar", "buffer": b"a release" * 1000}
    hand.page.get_by_label("File", exact=True).set_input_files(content)
    expect(hand.page.get_by_label("Digest of the file")).not_to_have_value("")
    _operate(hand, "Sign", "Signed with version 1")


def reencrypt(hand: Hand) -> None:
    """The page of the job has the calls of the client."""
    hand.open_key("card-pan-vault", "Versions")
    hand.click("link", "Re-encrypt stored data")
    hand.click("button", "Begin re-encryption")
    hand.sees("A client sends the items and completes the job.")


def random_bytes(hand: Hand) -> None:
    hand.go("Keys", "Generate random bytes")
    hand.click("button", "Generate")
    hand.page.locator("[data-value]").first.wait_for()


TASKS = (
    Task("encrypt and decrypt a message in Try it", encrypt_and_decrypt),
    Task("encrypt, rotate, decrypt with the kept input", rotate_between),
    Task("inspect a ciphertext", inspect, prepare=make_ciphertext),
    Task("sign a file", sign_file, prepare=make_signing_key),
    Task("begin to re-encrypt stored data", reencrypt),
    Task("generate random bytes", random_bytes),
)
