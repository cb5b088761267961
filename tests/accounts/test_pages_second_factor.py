"""The pages for the second factor and for changing the password, without JavaScript."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client

from accounts import actions
from accounts.models import RecoveryCode, TotpDevice, User
from kernel.clock import database_now
from tests.accounts.test_browser_sessions import is_inside, make_older, sign_in
from tests.accounts.test_totp import Authenticator, enrol, let_time_pass
from tests.log_entries import log_rows
from tests.personas import PASSWORD

pytestmark = pytest.mark.django_db

CODE = re.compile(r"<code>((?:[A-Z2-7]{4}-){3}[A-Z2-7]{4})</code>")
NEW = "another horse, another staple"


@pytest.fixture
def browser(developer):
    return sign_in(developer)


def begin(browser):
    """Do step one; return an authenticator set up from the page, and the page."""
    response = browser.post("/account/mfa/", follow=True)
    assert response.redirect_chain == [("/account/mfa/setup/", 303)]
    return Authenticator(secret_in(response)), response


def secret_in(response):
    groups = re.search(r'<code class="groups" data-value>(.*?)</code>', response.content.decode())[1]
    return re.sub("<[^>]+>", "", groups)


def second_factor(persona):
    return User.objects.get(pk=persona.user.pk).requires_second_factor


def make_old(browser):
    """Set the last authentication of the session to long ago (the limit is ten minutes)."""
    session = browser.session
    session["confirmed_at"] = "2020-01-01T00:00:00+00:00"
    session.save()


# --- setting up an authenticator


def test_the_secret_is_shown_in_groups_as_a_link_and_as_a_code(browser):
    authenticator, response = begin(browser)
    content = unescape(response.content.decode())
    assert len(authenticator.secret) == 32
    assert f"secret={authenticator.secret}" in content
    assert "<svg" in content
    assert "style=" not in content


def test_a_wrong_code_is_refused_and_nothing_is_enrolled(browser, developer):
    authenticator, _ = begin(browser)
    response = browser.post("/account/mfa/setup/", {"code": authenticator.wrong_code()})
    assert response.status_code == 422
    assert secret_in(response) == authenticator.secret  # the secret already scanned stays valid
    assert not second_factor(developer)
    assert not TotpDevice.objects.get().confirmed
    assert not RecoveryCode.objects.exists()


def test_a_right_code_turns_it_on_and_shows_ten_codes_once(browser, developer):
    authenticator, _ = begin(browser)
    code = authenticator.code()
    response = browser.post("/account/mfa/setup/", {"code": f"{code[:3]} {code[3:]}"})
    codes = CODE.findall(response.content.decode())
    assert len(set(codes)) == 10
    assert second_factor(developer)
    assert response["Cache-Control"] == "no-store"
    for path in ("/account/mfa/", "/account/mfa/setup/"):
        assert not CODE.findall(browser.get(path, follow=True).content.decode())
    assert not any(each in str(dict(browser.session)) for each in [*codes, authenticator.secret])
    again = browser.post("/account/mfa/setup/", {"code": authenticator.code()})
    assert (again.status_code, again["Location"]) == (303, "/account/mfa/")


def test_the_secret_is_shown_again_to_a_recent_sign_in_only(browser):
    begin(browser)
    make_old(browser)
    response = browser.get("/account/mfa/setup/")
    assert response["Location"] == "/reauth/?next=%2Faccount%2Fmfa%2Fsetup%2F"


def test_an_enrolment_requires_a_recent_sign_in(browser):
    make_old(browser)
    response = browser.post("/account/mfa/")
    assert response["Location"] == "/reauth/?next=%2Faccount%2Fmfa%2F"
    assert not TotpDevice.objects.exists()


def test_a_user_without_an_enrolment_is_redirected_to_the_start(browser):
    for path in ("/account/mfa/setup/", "/account/mfa/codes/", "/account/mfa/remove/"):
        assert browser.get(path)["Location"] == "/account/mfa/"
    assert browser.post("/account/mfa/codes/")["Location"] == "/account/mfa/"


def test_an_unfinished_set_up_can_be_continued_or_restarted(browser):
    first, _ = begin(browser)
    assert b"Start again" in browser.get("/account/mfa/").content
    assert secret_in(browser.get("/account/mfa/setup/")) == first.secret
    second, _ = begin(browser)
    assert second.secret != first.secret


def is_offered(browser):
    return "Continue setup" in browser.get("/account/mfa/").content.decode()


def is_confirmed_by(browser, authenticator):
    browser.post("/account/mfa/setup/", {"code": authenticator.code()})
    return TotpDevice.objects.get().confirmed


def test_a_set_up_of_another_session_is_not_taken_up(browser, developer):
    """Otherwise an attacker with brief access could leave their own seed for the account's owner to confirm."""
    authenticator, _ = begin(browser)
    owner = sign_in(developer)
    assert is_offered(browser)
    assert not is_offered(owner)
    assert owner.get("/account/mfa/setup/")["Location"] == "/account/mfa/"
    assert not is_confirmed_by(owner, authenticator)
    assert developer.api.post("/auth/totp/confirm", {"code": authenticator.code()}).status == 404
    assert developer.api.get("/auth/totp").json["is_begun"] is False
    developer.api.post("/auth/totp/enrol")
    assert not is_offered(browser)
    assert browser.get("/account/mfa/setup/")["Location"] == "/account/mfa/"


def test_a_set_up_is_taken_up_for_ten_minutes(browser):
    authenticator, _ = begin(browser)
    assert browser.post("/reauth/", {"password": PASSWORD}).status_code == 303  # still the same session
    assert is_offered(browser)
    TotpDevice.objects.update(created_at=database_now() - timedelta(minutes=10))
    assert not is_offered(browser)
    assert browser.get("/account/mfa/setup/")["Location"] == "/account/mfa/"
    assert not is_confirmed_by(browser, authenticator)


def test_a_set_up_is_confirmed_soon_after_a_sign_in(browser):
    authenticator, _ = begin(browser)
    make_old(browser)
    response = browser.post("/account/mfa/setup/", {"code": authenticator.code()})
    assert response["Location"].startswith("/reauth/")
    assert not TotpDevice.objects.get().confirmed


# --- saving the recovery codes


@pytest.fixture
def shown(browser):
    authenticator, _ = begin(browser)
    response = browser.post("/account/mfa/setup/", {"code": authenticator.code()})
    let_time_pass()
    return authenticator, CODE.findall(response.content.decode())


def test_the_codes_can_be_downloaded_without_a_script(browser, shown):
    response = browser.post("/account/mfa/codes/file/", {"codes": " ".join(shown[1])})
    assert response.status_code == 200
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="ciphercanary-recovery-codes.txt"'
    assert response["Cache-Control"] == "no-store"
    assert response.content.decode().split()[-10:] == shown[1]


@pytest.mark.parametrize("sent", ["", "<script>", "AAAA-BBBB-CCCC-DDDD <script>"])
def test_nothing_but_codes_is_sent_back(browser, sent):
    for path in ("/account/mfa/codes/file/", "/account/mfa/codes/kept/"):
        response = browser.post(path, {"codes": sent})
        assert response.status_code == 422
        assert "Content-Disposition" not in response
        assert b"<code><script>" not in response.content


def test_the_codes_stay_until_the_box_is_selected(browser, shown):
    response = browser.post("/account/mfa/codes/kept/", {"codes": " ".join(shown[1])})
    assert response.status_code == 422
    assert CODE.findall(response.content.decode()) == shown[1]
    assert b"Save the codes, then select this box" in response.content
    done = browser.post("/account/mfa/codes/kept/", {"codes": " ".join(shown[1]), "saved": "on"})
    assert (done.status_code, done["Location"]) == (303, "/account/mfa/")


def test_new_codes_replace_the_old(browser, shown, developer):
    page = browser.get("/account/mfa/codes/")
    assert b"Your 10 unused codes" in page.content
    response = browser.post("/account/mfa/codes/")
    codes = CODE.findall(response.content.decode())
    assert len(codes) == 10
    assert not set(codes) & set(shown[1])
    assert log_rows().filter(action=actions.RECOVERY_CODES_REPLACED).count() == 1
    assert sign_in_with(developer, shown[1][0]).status_code == 401
    assert sign_in_with(developer, codes[0]).status_code == 303


def test_new_codes_ask_for_a_recent_sign_in(browser, shown):
    make_old(browser)
    for ask in (browser.get, browser.post):
        assert ask("/account/mfa/codes/")["Location"].startswith("/reauth/")
    assert RecoveryCode.objects.count() == 10


# --- using codes, and removing the authenticator


def sign_in_with(persona, code, **more):
    browser = Client()
    browser.post("/login/", {"username": persona.user.username, "password": PASSWORD})
    return browser.post("/login/code/", {"code": code}, **more)


def test_a_recovery_code_opens_once_and_shows_how_many_are_left(shown, developer):
    response = sign_in_with(developer, shown[1][3], follow=True)
    assert "You used a recovery code. You have 9 codes left." in response.content.decode()
    assert sign_in_with(developer, shown[1][3]).status_code == 401
    assert "8 codes left" in sign_in_with(developer, shown[1][4].lower(), follow=True).content.decode()


def test_a_code_of_the_app_shows_no_number_of_recovery_codes(shown, developer):
    response = sign_in_with(developer, shown[0].code(), follow=True)
    assert "left" not in response.content.decode()


def test_confirming_with_a_recovery_code_shows_how_many_are_left_too(browser, shown):
    response = browser.post("/reauth/", {"code": shown[1][0]}, follow=True)
    assert "9 codes left" in response.content.decode()


def test_the_removal_requires_a_code(browser, shown, developer):
    refused = browser.post("/account/mfa/remove/", {"code": shown[0].wrong_code()})
    assert refused.status_code == 422
    assert second_factor(developer)
    assert browser.post("/account/mfa/remove/", {"code": shown[0].code()})["Location"] == "/account/mfa/"
    assert not second_factor(developer)
    assert b"Set up authenticator" in browser.get("/account/mfa/").content


# --- over the API


def test_the_api_shows_the_progress_of_the_enrolment(developer):
    assert developer.api.get("/auth/totp").json == {
        "confirmed_at": None,
        "is_begun": False,
        "recovery_codes_left": 0,
    }
    developer.api.post("/auth/totp/enrol")
    assert developer.api.get("/auth/totp").json["is_begun"] is True
    enrol(developer)
    found = developer.api.get("/auth/totp").json
    assert (found["is_begun"], found["recovery_codes_left"]) == (False, 10)
    assert found["confirmed_at"] is not None


def test_the_api_gives_new_codes(developer):
    assert developer.api.post("/auth/totp/recovery-codes").code == "not_found"
    _, old = enrol(developer)
    response = developer.api.post("/auth/totp/recovery-codes")
    assert (response.status, len(response.json["recovery_codes"])) == (200, 10)
    assert not set(old) & set(response.json["recovery_codes"])


# --- the password


def test_a_new_password_ends_every_session_and_asks_to_sign_in(browser, developer):
    other = sign_in(developer)
    response = browser.post("/account/password/", {"current": PASSWORD, "new": NEW})
    assert response["Location"] == "/login/?password-changed"
    assert [is_inside(each) for each in (browser, other)] == [False, False]
    assert developer.api.get("/auth/me").status == 401
    page = Client()
    assert b"Sign in with the new password" in page.get("/login/?password-changed").content
    assert page.post("/login/", {"username": developer.user.username, "password": NEW}).status_code == 303


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"current": "wrong", "new": NEW}, "The current password is wrong."),
        ({"current": PASSWORD, "new": "short"}, "at least 12 characters"),
        ({"current": PASSWORD}, "This field is required."),
    ],
)
def test_an_error_is_shown_at_its_field_and_no_secret_is_sent_back(browser, sent, said):
    response = browser.post("/account/password/", sent)
    content = unescape(response.content.decode())
    assert response.status_code == 422
    assert said in content
    assert PASSWORD not in content
    assert NEW not in content
    assert is_inside(browser)


def test_guesses_at_the_present_password_are_counted(browser):
    for _ in range(5):
        browser.post("/account/password/", {"current": "wrong", "new": NEW})
    assert browser.post("/account/password/", {"current": PASSWORD, "new": NEW}).status_code == 429


def test_the_page_contains_the_seconds_until_the_idle_end(browser):
    make_older(browser, timedelta(minutes=1))
    content = browser.get("/account/").content.decode()
    assert 29 * 60 < int(re.search(r'data-seconds="(\d+)"', content)[1]) <= 30 * 60
