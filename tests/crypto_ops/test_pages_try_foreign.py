"""*Try it* of keys of other systems: decryption and re-encryption of their messages."""

import pytest

from tests.browsing import signed_in
from tests.crypto_ops.test_pages_try import results, run, said
from tests.kernel.crypto.test_foreign import AES_192, KEY, MESSAGE, SECRET, TOKEN
from tests.keys.test_import import imported
from tests.personas import b64

IN_ONE_PIECE = b64(AES_192.iv + AES_192.ciphertext + AES_192.tag)


@pytest.fixture
def browser(bench):
    return signed_in(bench.persona)


@pytest.mark.parametrize(
    ("algorithm", "material", "typed", "plaintext", "malformed", "hint"),
    [
        ("aes-192-raw", b64(KEY[:24]), IN_ONE_PIECE, MESSAGE, "AAAA", "in one piece."),
        ("fernet", SECRET, TOKEN, b"hello", TOKEN[:-2], "A Fernet token."),
    ],
)
def test_a_message_of_another_system_opens_and_moves(
    bench, browser, algorithm, material, typed, plaintext, malformed, hint
):
    key = imported(bench.persona, algorithm, "raw", material)
    bench.key(name="the-target")
    path = f"/keys/{key['name']}/try/"
    page = said(browser.get(path))
    assert f"Keys of type {algorithm} only work for existing data." in page
    assert hint in page
    assert results(run(browser, path, "decrypt", f"{typed[:9]}\n{typed[9:]}"))["Text"] == plaintext.decode()
    moved = results(run(browser, path, "reencrypt", typed, target="the-target"))["Ciphertext"]
    assert bench.decrypt(ciphertext=moved).json["data"] == b64(plaintext)
    for operation in ("decrypt", "reencrypt"):
        for wrong in (malformed, "?"):
            refused = run(browser, path, operation, wrong, target="the-target")
            assert refused.status_code == 422, said(refused)
