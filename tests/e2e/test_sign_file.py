"""A file is signed and verified in the browser, which hashes it and does not upload it."""

import hashlib

from playwright.sync_api import expect

CONTENT = b"a release" * 1000


def test_a_file_is_hashed_in_the_browser_signed_and_verified(admin, api):
    api("POST", "/api/v1/keys", {"name": "sign-files", "algorithm": "ec-p256"})
    page = admin.open("/keys/sign-files/sign-file/")
    sent = []
    page.on("request", lambda request: sent.append(request.post_data or ""))
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "release.tar", "mimeType": "application/x-tar", "buffer": CONTENT}
    )
    digest = page.get_by_label("Digest of the file")
    expect(digest).to_have_value(hashlib.sha256(CONTENT).hexdigest())
    page.get_by_label("Signing algorithm").select_option("ecdsa-sha512")
    expect(digest).to_have_value(hashlib.sha512(CONTENT).hexdigest())
    page.get_by_role("button", name="Sign", exact=True).click()
    page.locator("#try-said", has_text="Signed with version 1 (ecdsa-sha512)").wait_for()
    page.get_by_role("button", name="Use as input").click()
    page.get_by_role("button", name="Verify", exact=True).click()
    page.locator("#try-said", has_text="Valid: signed with version 1").wait_for()
    assert sent
    assert not any("a release" in body for body in sent)


def test_a_file_above_the_limit_is_refused_by_the_browser(admin, api):
    api("POST", "/api/v1/keys", {"name": "sign-large-files", "algorithm": "ec-p256"})
    page = admin.open("/keys/sign-large-files/sign-file/")
    page.locator("#file").evaluate("picker => { picker.dataset.maxBytes = 1048576; }")
    page.locator("#file").set_input_files(
        {"name": "x", "mimeType": "application/octet-stream", "buffer": bytes(1048577)}
    )
    expect(page.locator("#file-digest")).to_contain_text("This file has 2 MiB. The limit is 1 MiB.")
    assert page.get_by_label("Digest of the file").input_value() == ""
