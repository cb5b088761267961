"""The console and the snippets in the browser: checks 6, 25, 26, 33 and 39 of the design, by their numbers."""

import os
import subprocess
import sys

import pytest

from tests.e2e.browser import person
from tests.e2e.chromium import find_chromium
from tests.product import PASSWORD, Product, b64

SECRET = "hello canary\n  grüße, 'zwei' & <drei>"
NOT_DECRYPTED = "Decryption failed. Check the ciphertext, the additional authenticated data and the key."
OTHER_NAME = "kms.test"


@pytest.fixture
def key(api, request):
    name = f"try-{abs(hash(request.node.name)) % 10**8}"
    return api("POST", "/api/v1/keys", {"name": name, "algorithm": "aes-256"})


def try_page(who, key):
    return who.open(f"/keys/{key['name']}/try/")


def run(page, operation):
    page.get_by_role("button", name=operation, exact=True).click()
    page.locator("#try-said", has_text=f"{operation}ed with").wait_for()


def send(page, name):
    """Press a button that loads the next page."""
    with page.expect_navigation():
        page.get_by_role("button", name=name, exact=True).click()


def result(page):
    return page.locator("#try-result textarea:visible").input_value()


def test_a_message_goes_to_and_fro_without_being_typed_again(admin, key):
    """6: encrypt, Use as input, decrypt, the same text; the form stays filled; a mismatch is one sentence."""
    page = try_page(admin, key)
    admin.mark()
    page.get_by_label("Input", exact=True).fill(SECRET)
    page.get_by_label("Additional authenticated data").fill("invoice 7")
    run(page, "Encrypt")
    ciphertext = result(page)
    assert page.get_by_label("Input", exact=True).input_value() == SECRET
    page.get_by_role("button", name="Use as input").click()
    page.get_by_role("button", name="Decrypt", exact=True).wait_for()
    assert page.get_by_label("Input", exact=True).input_value() == ciphertext
    assert admin.focused() == "id_input"
    run(page, "Decrypt")
    assert result(page) == SECRET
    assert page.get_by_label("Input", exact=True).input_value() == ciphertext
    page.get_by_role("radio", name="Base64").check()
    assert result(page) == b64(SECRET.encode())
    page.get_by_label("Additional authenticated data").fill("invoice 8")
    page.get_by_role("button", name="Decrypt", exact=True).click()
    page.locator("#try-alert", has_text=NOT_DECRYPTED).wait_for()
    assert page.locator("#try-result textarea").count() == 0
    assert page.locator("#try-said").inner_text() == ""
    assert page.get_by_label("Additional authenticated data").input_value() == "invoice 8"
    page.get_by_role("link", name="Rotate now").click()
    page.get_by_role("dialog").get_by_label("Reason").fill("a suspicion")
    page.get_by_role("dialog").get_by_role("button", name="Rotate now").click()
    page.locator("#toasts", has_text=f"{key['name']} rotated.").wait_for()
    assert page.get_by_label("Input", exact=True).input_value() == ciphertext
    assert page.get_by_role("button", name="Decrypt", exact=True).is_visible()
    page.get_by_label("Additional authenticated data").fill("invoice 7")
    run(page, "Decrypt")
    assert result(page) == SECRET
    assert not admin.was_reloaded()


def test_back_after_decrypting_shows_no_plaintext_and_the_browser_has_kept_none(admin, api, key):
    """26, 25: not in the form, not in the result, and not in the browser's storage."""
    message = {"key_id": key["id"], "algorithm": "aes-256-gcm", "data": b64(SECRET.encode())}
    ciphertext = api("POST", "/api/v1/encrypt", message)["ciphertext"]
    page = try_page(admin, key)
    page.get_by_role("radio", name="Decrypt").check()
    page.get_by_label("Input", exact=True).fill(ciphertext)
    run(page, "Decrypt")
    assert result(page) == SECRET
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert not any(text in stored for text in ("hello", ciphertext, key["name"], key["id"]))
    page.get_by_role("link", name="Overview").click()
    page.get_by_text("Key ID").wait_for()
    page.go_back()
    page.get_by_label("Input", exact=True).wait_for()
    fields = page.evaluate(
        "[...document.querySelectorAll('textarea, input')].map(field => field.value).join()"
    )
    assert "hello" not in fields + page.content()
    assert ciphertext not in fields + page.content()


def test_everything_works_by_keyboard(admin, key):
    page = try_page(admin, key)
    page.get_by_label("Input", exact=True).focus()
    page.keyboard.type("hello")
    for _ in range(4):  # its format, the additional data, their format, the mode
        page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("#try-said", has_text="Encrypted with").wait_for()
    page.get_by_role("radio", name="Encrypt", exact=True).focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("button", name="Decrypt", exact=True).is_visible()


@pytest.mark.parametrize("width", [320, 1280])
def test_neither_page_scrolls_sideways(admin, key, width):
    """32: long results wrap, and code scrolls in a focusable region."""
    page = try_page(admin, key)
    page.set_viewport_size({"width": width, "height": 800})
    page.get_by_label("Input", exact=True).fill("a" * 3000)
    run(page, "Encrypt")
    is_wider = "document.documentElement.scrollWidth > innerWidth"
    assert not page.evaluate(is_wider)
    admin.open(f"/keys/{key['name']}/use/")
    assert not page.evaluate(is_wider)
    page.get_by_role("region", name="Step 2: Encrypt").focus()
    assert page.evaluate(
        "document.activeElement.scrollWidth > document.activeElement.clientWidth || innerWidth > 1000"
    )


def test_a_message_is_encrypted_and_decrypted_without_scripts(without_script, key):
    """21, for these pages."""
    page = try_page(without_script, key)
    page.get_by_label("Input", exact=True).fill(SECRET)
    send(page, "Encrypt")
    assert page.get_by_label("Input", exact=True).input_value() == SECRET
    send(page, "Use as input")
    send(page, "Decrypt")
    assert result(page) == SECRET
    page.get_by_role("radio", name="Hexadecimal").check()
    assert result(page) == SECRET.encode().hex()
    assert page.get_by_role("button", name="Copy").count() == 0


def copied(who, page, name):
    """The text that the button copies to the clipboard."""
    who.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.get_by_role("button", name=name, exact=True)
    button.click()
    button.get_by_text("Copied").wait_for()
    return page.evaluate("navigator.clipboard.readText()")


def run_program(command, code, **environment):
    """Run a program with only the given environment; return its output."""
    given = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environment}
    done = subprocess.run(
        command, input=code, env=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("language", "command"),
    [("curl", ["bash", "-eu", "-o", "pipefail", "-s"]), ("python", [sys.executable, "-I", "-"])],
)
def test_the_snippets_run_as_they_were_copied(admin, served, key, language, command):
    """33: with the token variable alone; and the first step gets the token."""
    page = admin.open(f"/keys/{key['name']}/use/?lang={language}")
    sign_in, encrypt, decrypt = (copied(admin, page, f"Copy step {number}") for number in (1, 2, 3))
    output = run_program(command, encrypt + decrypt, CIPHERCANARY_TOKEN=served.token())
    assert output.startswith("cc1.")
    assert output.splitlines()[1:] == ["hello canary"]
    who = {"CIPHERCANARY_USERNAME": "developer", "CIPHERCANARY_PASSWORD": PASSWORD}
    shown = "" if language == "python" else 'echo "export CIPHERCANARY_TOKEN=$CIPHERCANARY_TOKEN"'
    token = run_program(command, sign_in + shown, **who).strip().removeprefix("export CIPHERCANARY_TOKEN=")
    assert served.send("GET", "/auth/me", token=token).json["username"] == "developer"


@pytest.mark.parametrize(
    ("language", "command"), [("curl", ["bash", "-s"]), ("python", [sys.executable, "-I", "-"])]
)
def test_a_snippet_that_is_refused_shows_why(admin, key, language, command):
    page = admin.open(f"/keys/{key['name']}/use/?lang={language}")
    sign_in, encrypt = (copied(admin, page, f"Copy step {number}") for number in (1, 2))
    assert "The access token is not valid." in complaint_of(command, encrypt, CIPHERCANARY_TOKEN="none")
    who = {"CIPHERCANARY_USERNAME": 'no"body', "CIPHERCANARY_PASSWORD": 'not "this" \\ one'}
    assert "The username or password is wrong." in complaint_of(command, sign_in, **who)


def complaint_of(command, code, **environment):
    """The program's standard error."""
    given = {"PATH": os.environ["PATH"], **environment}
    done = subprocess.run(
        command, input=code, env=given, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stderr


def test_the_call_of_the_console_runs_as_it_was_copied(admin, served, key):
    page = try_page(admin, key)
    page.get_by_label("Input", exact=True).fill("it's")
    run(page, "Encrypt")
    response = run_program(
        ["bash", "-s"], copied(admin, page, "Copy the request"), CIPHERCANARY_TOKEN=served.token()
    )
    assert '"ciphertext":"cc1.' in response.replace('": "', '":"')


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """The product under a host name other than localhost, over plain http: no clipboard API there."""
    with Product(tmp_path_factory.mktemp("elsewhere"), ALLOWED_HOSTS=f"{OTHER_NAME},127.0.0.1") as product:
        yield product


@pytest.fixture
def chromium_elsewhere(chromium):
    browser = chromium.browser_type.launch(
        executable_path=find_chromium(),
        args=["--no-sandbox", f"--host-resolver-rules=MAP {OTHER_NAME} 127.0.0.1"],
    )
    yield browser
    browser.close()


def test_copying_works_on_plain_http_and_reports_it_where_it_does_not(elsewhere, chromium_elsewhere):
    """39: the page copies a selection; if that fails too, the selection stays and the button names the keys."""
    name = elsewhere.send(
        "POST", "/api/v1/keys", {"name": "of-elsewhere", "algorithm": "aes-256"}, token=elsewhere.token()
    ).json["name"]
    with person(chromium_elsewhere, f"http://{OTHER_NAME}:{elsewhere.port}") as somebody:
        page = somebody.sign_in("admin").open(f"/keys/{name}/try/")
        assert page.evaluate("[isSecureContext, typeof navigator.clipboard]") == [False, "undefined"]
        page.get_by_label("Input", exact=True).fill("hello")
        run(page, "Encrypt")
        button = page.get_by_role("button", name="Copy the result")
        button.click()
        button.get_by_text("Copied").wait_for()
        page.get_by_label("Input", exact=True).fill("")
        page.get_by_label("Input", exact=True).press("Control+V")
        assert page.get_by_label("Input", exact=True).input_value() == result(page)
        page.evaluate("document.execCommand = () => false")
        button.click()
        button.get_by_text("Press Ctrl+C").wait_for()
        assert page.evaluate("getSelection().toString()") == result(page)
        somebody.open(f"/keys/{name}/use/")
        step = page.get_by_role("button", name="Copy step 2")
        step.click()
        step.get_by_text("Copied").wait_for()
        # Plain http does not support one header, about which Chromium logs a message; nothing else may be
        # logged.
        heard = [text for text in somebody.complaints.console if "Cross-Origin-Opener-Policy" not in text]
        assert (heard, somebody.complaints.strangers) == ([], [])
