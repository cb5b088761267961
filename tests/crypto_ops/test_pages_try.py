"""The console does what the API does, reports errors exactly, and stores no input."""

import html
import re
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import BrowserSession
from audit.sequencing.catching_up import catch_up
from keys.models import Key
from tests.browsing import signed_in
from tests.log_entries import log_rows
from tests.personas import b64

PART = {"HX-Request": "true", "HX-Target": "try-result"}
NOT_DECRYPTED = "Decryption failed. Check the ciphertext, the additional authenticated data and the key."


@pytest.fixture
def browser(bench):
    return signed_in(bench.persona)


@pytest.fixture
def path(key):
    return f"/keys/{key['name']}/try/"


def run(browser, path, operation, typed, **fields):
    """The part of the page that htmx inserts next to the form."""
    headers = fields.pop("headers", PART)
    return browser.post(path, {"operation": operation, "input": typed, **fields}, headers=headers)


def results(response):
    """The displayed results, by format."""
    found = re.findall(
        r'aria-label="Result: (\w+)"[^>]*>\n(.*?)</textarea>', response.content.decode(), re.DOTALL
    )
    return {form: html.unescape(text) for form, text in found}


def said(response):
    return " ".join(re.sub(r"<[^>]+>", " ", html.unescape(response.content.decode())).split())


def encrypted(browser, path, typed, **fields):
    response = run(browser, path, "encrypt", typed, **fields)
    assert response.status_code == 200, said(response)
    return results(response)["Ciphertext"]


def test_the_api_decrypts_a_ciphertext_of_the_page(browser, path, bench):
    ciphertext = encrypted(browser, path, "grüße\r\nzwei", aad="invoice 7", mode="aes-256-gcm-siv")
    response = bench.decrypt(ciphertext=ciphertext, aad=b64(b"invoice 7"))
    assert response.json["data"] == b64("grüße\nzwei".encode())
    assert response.json["algorithm"] == "aes-256-gcm-siv"


def test_the_page_shows_the_decrypted_data_in_every_form(browser, path, bench, key):
    ciphertext = bench.encrypt(key["id"], data=b"hello <canary>\n").json["ciphertext"]
    response = run(browser, path, "decrypt", f"  {ciphertext}\r\n")
    assert results(response) == {
        "Text": "hello <canary>\n",
        "Base64": b64(b"hello <canary>\n"),
        "Hexadecimal": b"hello <canary>\n".hex(),
    }
    assert "Decrypted with version 1 (aes-256-gcm): 15 bytes." in said(response)


def test_bytes_that_are_no_text_are_not_shown_as_one(browser, path, bench, key):
    ciphertext = bench.encrypt(key["id"], data=b"\xff\x00").json["ciphertext"]
    response = run(browser, path, "decrypt", ciphertext)
    assert results(response) == {"Base64": "/wA=", "Hexadecimal": "ff00"}
    assert "cannot be shown as text" in said(response)


@pytest.mark.parametrize(
    ("form", "typed"), [("base64", "aGVs\r\nbG8="), ("hex", "68 65 6C 6c 6f"), ("text", "hello")]
)
def test_the_input_is_read_in_its_format(browser, path, bench, form, typed):
    ciphertext = encrypted(
        browser, path, typed, input_format=form, aad=typed.split("\r")[0], aad_format="text"
    )
    aad = typed.split("\r")[0].encode()
    assert bench.decrypt(ciphertext=ciphertext, aad=b64(aad)).json["data"] == b64(b"hello")


def test_the_associated_data_have_a_format_of_their_own(browser, path, bench):
    ciphertext = encrypted(browser, path, "x", aad="ff00", aad_format="hex")
    assert bench.decrypt(ciphertext=ciphertext, aad=b64(b"\xff\x00")).status == 200


def test_a_message_is_encrypted_anew_with_the_primary_version(browser, path, bench, key):
    ciphertext = encrypted(browser, path, "hello")
    bench.change_key(key["id"], "rotate")
    response = run(browser, path, "reencrypt", ciphertext)
    assert "Re-encrypted from version 1 to version 2" in said(response)
    assert results(run(browser, path, "decrypt", results(response)["Ciphertext"]))["Text"] == "hello"


def test_a_message_of_a_compromised_key_is_rescued_into_another_with_a_reason(browser, path, bench, key):
    other = bench.key(name="the-next")
    ciphertext = encrypted(browser, path, "hello")
    bench.change_key(key["id"], "revoke", compromised=True)
    rescue = {"target": "the-next"}
    assert "This field is required because the source key is compromised." in said(
        run(browser, path, "reencrypt", ciphertext, **rescue)
    )
    response = run(browser, path, "reencrypt", ciphertext, reason="sent by ourselves", **rescue)
    assert "the message may be forged" in said(response)
    assert bench.decrypt(ciphertext=results(response)["Ciphertext"]).json["key_id"] == other["id"]
    refused = run(browser, path, "reencrypt", ciphertext, reason="r", target="of-nobody")
    assert "This key does not exist" in said(refused)


@pytest.mark.parametrize(
    ("operation", "typed", "fields", "words"),
    [
        ("encrypt", "aGVs!G8=", {"input_format": "base64"}, "Not base64. Character 5 is not allowed."),
        ("encrypt", "aGVsbG8", {"input_format": "base64"}, "Not base64. The length is 7"),
        (
            "encrypt",
            "aG==aGVs",
            {"input_format": "base64"},
            "Not base64. Character 5 comes after the padding.",
        ),
        ("encrypt", "aGVsbG9=", {"input_format": "base64"}, "Not base64. The last four characters"),
        ("encrypt", "68 6x", {"input_format": "hex"}, "Not hexadecimal. Character 5 is not allowed."),
        (
            "encrypt",
            "68 6",
            {"input_format": "hex"},
            "Not hexadecimal. The number of digits, 3, must be even.",
        ),
        ("encrypt", "x" * 65_537, {}, "Too long: 65,537 bytes. The limit is 65,536 bytes."),
        (
            "encrypt",
            "x",
            {"aad": "é!", "aad_format": "base64"},
            "(AAD, optional): Not base64. Character 1 is not allowed.",
        ),
        ("encrypt", "x", {"mode": "aes-256-ecb"}, "Mode: Select a valid choice."),
        ("encrypt", "", {}, "Input: This field is required."),
        ("decrypt", "hello", {}, "It must start with cc1."),
        ("decrypt", "cc1.ab cd", {}, "Not a ciphertext. Character 7 is not allowed."),
        ("decrypt", "cc1.abcd", {}, "not a complete cc1 ciphertext"),
        (
            "decrypt",
            "cc1." + "a" * 98_301,
            {},
            "Too long: 98,305 characters. The limit is 98,304 characters.",
        ),
        ("sign", "hello", {}, "Select a valid choice."),
    ],
)
def test_the_result_names_the_error_exactly(browser, path, operation, typed, fields, words):
    response = run(browser, path, operation, typed, **fields)
    assert response.status_code == 422
    assert words in said(response)
    assert results(response) == {}
    whole = run(browser, path, operation, typed, headers={}, **fields)
    alert = re.search(r'<div id="try-alert" role="alert">(.*?)</section>', whole.content.decode(), re.DOTALL)[
        1
    ]
    assert words in " ".join(re.sub(r"<[^>]+>", " ", html.unescape(alert)).split())


@pytest.mark.parametrize("mode", ["aes-256-gcm", "aes-256-cbc-hmac-sha512"])
def test_the_longest_message_that_is_encrypted_here_is_decrypted_here(browser, path, mode):
    message = "é" * 32_768
    response = run(browser, path, "decrypt", encrypted(browser, path, message, mode=mode))
    assert results(response)["Text"] == message
    assert "--data-binary @-" in said(response)


def test_wrong_associated_data_wrong_key_and_an_altered_message_are_one_sentence(browser, path, bench):
    bench.key(name="another")
    ciphertext = encrypted(browser, path, "hello", aad="invoice 7")
    foreign = encrypted(browser, "/keys/another/try/", "hello")
    altered = ciphertext[:-4] + ("AAAA" if ciphertext[-4:] != "AAAA" else "BBBB")
    for wrong, aad in ((ciphertext, "invoice 8"), (ciphertext, ""), (altered, "invoice 7"), (foreign, "")):
        response = run(browser, path, "decrypt", wrong, aad=aad)
        assert (response.status_code, NOT_DECRYPTED in said(response)) == (422, True)
    refused = log_rows().filter(action="crypto.message.decrypted", code="decryption_failed")
    assert {entry.source for entry in refused} == {"console"}


def test_an_operation_is_on_record_as_of_the_console(browser, path, bench, key):
    run(browser, path, "decrypt", encrypted(browser, path, "hello"))
    entries = log_rows().filter(object_id=key["id"], source="console")
    assert [(e.action, e.outcome, e.user_id) for e in entries.order_by("id")] == [
        ("crypto.message.encrypted", "ok", bench.persona.user.id),
        ("crypto.message.decrypted", "ok", bench.persona.user.id),
    ]


def test_without_scripts_the_whole_page_comes_back_with_the_form_filled(browser, path):
    response = run(
        browser, path, "encrypt", "hello <canary>", aad="invoice 7", mode="aes-256-gcm-siv", headers={}
    )
    content = response.content.decode()
    assert "<!doctype html>" in content
    assert "hello &lt;canary&gt;</textarea>" in content
    assert 'value="invoice 7"' in content
    assert '<option value="aes-256-gcm-siv" selected>' in content
    assert results(response)["Ciphertext"].startswith("cc1.")
    assert 'autocomplete="off"' in content
    assert 'spellcheck="false"' in content


def test_a_result_becomes_the_next_input_and_nothing_is_done_by_that(browser, path):
    ciphertext = encrypted(browser, path, "hello", aad="invoice 7")
    before = log_rows().count()
    taken = browser.post(path, {"take": "1", "operation": "decrypt", "input": ciphertext, "aad": "invoice 7"})
    content = taken.content.decode()
    assert f"{ciphertext}</textarea>" in content
    assert 'value="decrypt" checked' in content
    assert 'value="invoice 7"' in content
    assert results(taken) == {}
    assert log_rows().count() == before


@pytest.mark.parametrize(
    ("verb", "fields", "words", "left"),
    [
        ("disable", {}, "bench-aes-256 was disabled on 20", set()),
        ("revoke", {}, "bench-aes-256 was revoked on 20", {"decrypt", "reencrypt"}),
        ("revoke", {"compromised": True}, "bench-aes-256 was marked as compromised on 20", {"reencrypt"}),
    ],
)
def test_the_page_names_the_date_of_the_state_that_forbids_an_operation(
    browser, path, bench, key, verb, fields, words, left
):
    ciphertext = encrypted(browser, path, "hello")
    bench.change_key(key["id"], verb, **fields)
    content = browser.get(path).content.decode()
    assert re.search(rf"Unavailable: Encrypt(, [\w -]+)*\. {words}", content)
    assert ("Enter the name of another key. This key cannot encrypt." in content) == ("reencrypt" in left)
    offered = re.findall(r'name="operation" id="\w+" value="(\w+)"( checked)?( disabled)?', content)
    assert {word for word, _, disabled in offered if not disabled} == left
    for operation in {"encrypt", "decrypt"} - left:  # a page that was already open
        response = run(browser, path, operation, "hello" if operation == "encrypt" else ciphertext)
        assert (response.status_code, words in said(response)) == (422, True)
        record = log_rows().filter(object_id=key["id"], source="console").latest("id")
        assert (record.outcome, record.action) == ("denied", f"crypto.message.{operation}ed")


def test_a_key_that_waits_or_has_expired_shows_until_or_since_when(browser, bench):
    bench.key(name="later", activates_at="2030-01-02T03:04:00Z")
    assert b"later becomes active on 2030-01-02 03:04Z." in browser.get("/keys/later/try/").content
    assert b"later becomes active on 2030-01-02 03:04Z." in browser.get("/keys/later/use/").content
    bench.key(name="over")
    row = Key.objects.get(name="over")
    row.created_at, row.expires_at = (datetime(year, 1, 2, 3, 4, tzinfo=UTC) for year in (2019, 2020))
    row.save_with_mac()
    assert b"over expired on 2020-01-02 03:04Z." in browser.get("/keys/over/try/").content


def test_decrypting_in_the_browser_can_be_switched_off(browser, path, bench, settings):
    ciphertext = encrypted(browser, path, "hello")
    settings.CC_CONSOLE_DECRYPT = False
    words = "Decryption in the browser is turned off on this server."
    page = browser.get(path).content.decode()
    assert f"Unavailable: Decrypt. {words}" in page
    assert "Use as input" not in said(run(browser, path, "encrypt", "hello"))
    response = run(browser, path, "decrypt", ciphertext)
    assert (response.status_code, words in said(response), results(response)) == (422, True, {})
    assert log_rows().latest("id").code == "policy_violated"
    assert results(run(browser, path, "reencrypt", ciphertext))["Ciphertext"].startswith("cc1.")
    assert bench.decrypt(ciphertext=ciphertext).status == 200


def test_the_switch_holds_for_the_first_message_of_the_set_up_too(browser, path, settings):
    sent = {"ciphertext": encrypted(browser, path, "hello")}
    assert b"hello" in browser.post("/setup/first-key/decrypt", sent).content
    settings.CC_CONSOLE_DECRYPT = False
    response = browser.post("/setup/first-key/decrypt", sent)
    assert (response.status_code, b"hello" in response.content) == (422, False)
    assert "turned off on this server" in said(response)
    made = browser.post("/setup/first-key/", {"name": "demo", "message": "hello"})
    assert (b"first-key/decrypt" in made.content, "turned off on this server" in said(made)) == (False, True)


def test_a_developer_tries_their_own_keys_only(developer, stranger, bench, path):
    developer.api.post("/api/v1/keys", {"name": "of-dora", "algorithm": "chacha20"})
    browser = signed_in(developer)
    assert b"Try it" in browser.get("/keys/of-dora/").content
    assert encrypted(browser, "/keys/of-dora/try/", "hello")
    assert browser.get(path).status_code == 404
    assert run(browser, path, "encrypt", "hello").status_code == 404
    assert signed_in(stranger).get("/keys/of-dora/try/").status_code == 404


@pytest.mark.parametrize("role", ["auditor", "operator"])
def test_roles_that_use_no_keys_have_no_crypto_page(role, path, request, key):
    browser = signed_in(request.getfixturevalue(role))
    assert b"Try it" not in browser.get(f"/keys/{key['name']}/").content
    assert browser.get(path).status_code == 403
    assert run(browser, path, "encrypt", "hello").status_code == 403


def test_nothing_that_was_typed_is_kept(browser, path, caplog):
    marker = "canary-5f1c9e"
    run(browser, path, "decrypt", encrypted(browser, path, marker, aad=marker), aad=marker)
    run(browser, path, "decrypt", f"cc1.{marker}")
    run(browser, path, marker, marker)
    response = browser.get(path)
    assert response["Cache-Control"] == "no-store"
    assert marker not in response.content.decode()
    kept = [str(session.get_decoded()) for session in BrowserSession.objects.all()]
    kept += [str(list(row.values())) for row in log_rows().values()]
    assert [text for text in (*kept, caplog.text) if marker in text or b64(marker.encode()) in text] == []


def test_an_operation_costs_as_much_as_over_the_api(browser, path, bench, settings):
    settings.CC_THROTTLE_PRINCIPAL = "4/hour"
    ciphertext = encrypted(browser, path, "hello")
    assert bench.decrypt(ciphertext=ciphertext).status == 200
    assert run(browser, path, "decrypt", ciphertext).status_code == 200
    assert bench.decrypt(ciphertext=ciphertext).status == 200
    assert run(browser, path, "decrypt", ciphertext).status_code == 429


def test_the_page_costs_few_statements(browser, path):
    catch_up()
    for ask in (lambda: browser.get(path), lambda: run(browser, path, "encrypt", "hello")):
        with CaptureQueriesContext(connection) as statements:
            ask()
        costly = [each["sql"] for each in statements if each["sql"] not in {"BEGIN", "COMMIT"}]
        assert len(costly) <= 11, costly
