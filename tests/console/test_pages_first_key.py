"""The first key: two clicks from an empty account to a message that was encrypted and decrypted."""

import re

import pytest

from keys.models import Key
from keys.states.services import disable_key
from tests.browsing import signed_in
from tests.log_entries import log_rows
from tests.personas import b64

pytestmark = pytest.mark.django_db(transaction=True)  # invocations are reserved outside transactions

GOOD = {"name": "demo", "message": "hello canary"}
CIPHERTEXT = re.compile(r'name="ciphertext" value="(cc1\.[\w-]+)"')


@pytest.fixture
def browser(developer):
    return signed_in(developer)


def first_ciphertext(browser):
    response = browser.post("/setup/first-key/", GOOD)
    assert response.status_code == 200, response.content
    return CIPHERTEXT.search(response.content.decode())[1]


def test_everything_is_filled_in(browser):
    content = browser.get("/setup/first-key/").content.decode()
    assert 'value="demo"' in content
    assert 'value="hello canary"' in content
    assert "aes-256-gcm" in content


def test_one_press_makes_the_key_and_the_ciphertext(browser, developer):
    ciphertext = first_ciphertext(browser)
    key = Key.objects.get()
    assert (key.name, key.algorithm, key.created_by_id) == ("demo", "aes-256", developer.user.id)
    response = developer.api.post("/api/v1/decrypt", {"ciphertext": ciphertext})
    assert response.json["data"] == b64(b"hello canary")


def test_both_operations_are_recorded_as_done_in_the_console(browser, developer):
    first_ciphertext(browser)
    found = log_rows().filter(object_type="key").values_list("action", "source", "user_id")
    assert list(found.order_by("id")) == [
        ("keys.key.created", "console", developer.user.id),
        ("crypto.message.encrypted", "console", developer.user.id),
    ]


def test_a_second_button_decrypts_the_message(browser, developer):
    response = browser.post("/setup/first-key/decrypt", {"ciphertext": first_ciphertext(browser)})
    assert response.status_code == 200
    assert "Message: <strong" in response.content.decode()
    assert "hello canary" in response.content.decode()
    entry = log_rows().get(action="crypto.message.decrypted")
    assert (entry.source, entry.user_id) == ("console", developer.user.id)


def test_the_page_shows_the_call_and_no_token(browser, developer, settings):
    content = browser.post("/setup/first-key/", GOOD).content.decode()
    key = Key.objects.get()
    assert f"{settings.CC_PUBLIC_URL}/api/v1/encrypt" in content
    assert "Bearer $CIPHERCANARY_TOKEN" in content
    assert str(key.id) in content
    assert b64(b"hello canary") in content
    assert f"/audit/?object={key.id}" in content
    assert developer.api.token not in content


def test_a_message_in_any_script_comes_back_and_is_shown_as_text(browser):
    message = "<b>жаворонок</b> 🐤 "
    content = browser.post("/setup/first-key/", GOOD | {"message": message}).content.decode()
    response = browser.post("/setup/first-key/decrypt", {"ciphertext": CIPHERTEXT.search(content)[1]})
    assert "&lt;b&gt;жаворонок&lt;/b&gt; 🐤 </strong>" in response.content.decode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "No Name"}, "name"),
        ({"name": ""}, "required"),
        ({"message": ""}, "required"),
        ({"message": "x" * 1001}, "1000"),
    ],
)
def test_a_fault_makes_no_key_and_keeps_what_was_typed(browser, changes, words):
    response = browser.post("/setup/first-key/", GOOD | changes)
    assert response.status_code == 422
    assert words in str(response.context["form"].errors)
    assert not Key.objects.exists()


def test_a_taken_name_is_reported(browser):
    first_ciphertext(browser)
    response = browser.post("/setup/first-key/", GOOD)
    assert response.status_code == 422
    assert "A key named demo already exists." in response.content.decode()


@pytest.mark.parametrize("ciphertext", ["", "cc1.nonsense", "x" * 9000])
def test_an_invalid_ciphertext_is_refused(browser, ciphertext):
    assert browser.post("/setup/first-key/decrypt", {"ciphertext": ciphertext}).status_code == 422


def test_an_altered_ciphertext_is_refused_without_saying_why(browser):
    ciphertext = first_ciphertext(browser)
    altered = ciphertext[:-1] + ("A" if ciphertext[-1] != "A" else "E")
    response = browser.post("/setup/first-key/decrypt", {"ciphertext": altered})
    assert response.status_code == 422
    assert "Decryption failed" in response.content.decode()


def test_the_page_says_that_the_key_was_disabled_meanwhile(browser, admin):
    ciphertext = first_ciphertext(browser)
    disable_key(principal=admin.principal, key_id=Key.objects.get().id, reason="a rehearsal")
    response = browser.post("/setup/first-key/decrypt", {"ciphertext": ciphertext})
    assert response.status_code == 422
    assert "suspended" in response.content.decode() or "disabled" in response.content.decode()


def test_a_ciphertext_of_another_users_key_is_not_decrypted(browser, stranger):
    ciphertext = first_ciphertext(browser)
    response = signed_in(stranger).post("/setup/first-key/decrypt", {"ciphertext": ciphertext})
    assert response.status_code == 422
    assert "hello canary" not in response.content.decode()


def test_a_server_that_requires_policies_offers_the_form_of_a_key_instead(browser, settings):
    settings.CC_REQUIRE_POLICY = True
    content = browser.get("/setup/first-key/").content.decode()
    assert "Every key needs a policy on this server." in content
    assert 'href="/keys/new"' in content
    assert "Create and encrypt" not in content
