"""Signing in and out in a browser: the two steps, the uniform error message, and the effects of each refusal."""

import json
from datetime import timedelta

import pytest
from django.test import Client

from accounts import actions
from accounts.models import BrowserSession, LoginAttempt
from accounts.second_factors.services import totp
from accounts.session_engine import row_key
from accounts.sessions.browser_sessions import CONFIRMED_AT, PENDING
from audit.log.refusals import flush
from kernel.clock import database_now
from tests.accounts.test_totp import enrol, let_time_pass
from tests.log_entries import log_rows
from tests.personas import PASSWORD

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture
def browser():
    return Client()


def sign_in(browser, username, password=PASSWORD, **more):
    return browser.post("/login/", {"username": username, "password": password, **more})


def send_code(browser, code, **more):
    return browser.post("/login/code/", {"code": code, **more})


def errors(response):
    """The form's errors by field; the empty name means the whole form."""
    return {
        name.replace("__all__", ""): list(found) for name, found in response.context["form"].errors.items()
    }


def is_inside(browser):
    return browser.get("/home/").status_code == 200


def refusals():
    """``(action, code, source, actor's name, actor's type)`` of every recorded refusal."""
    flush()
    found = log_rows().exclude(outcome="ok").order_by("id")
    return list(found.values_list("action", "code", "source", "actor_name", "actor_type"))


# --- the password


@pytest.mark.parametrize("role", ["admin", "operator", "developer", "auditor"])
def test_every_user_who_has_an_account_may_sign_in(browser, request, role):
    persona = request.getfixturevalue(role)
    response = sign_in(browser, persona.user.username)
    assert (response.status_code, response["Location"]) == (303, "/home/")
    assert is_inside(browser)
    entry = log_rows().get(action=actions.SESSION_OPENED, outcome="ok", source="console")
    assert (entry.user_id, entry.auth_method) == (persona.user.id, "password")


def test_the_name_may_be_written_in_any_case(browser, auditor):
    assert sign_in(browser, auditor.user.username.upper()).status_code == 303


def test_every_failure_has_the_same_response(browser, auditor, operator):
    auditor.user.is_active = False
    auditor.user.save_with_mac()
    responses = [
        sign_in(browser, operator.user.username, "not the password"),
        sign_in(browser, "nobody", "not the password"),
        sign_in(browser, auditor.user.username),  # disabled, with the right password
    ]
    assert {response.status_code for response in responses} == {401}
    assert [errors(response) for response in responses] == [{"": ["The username or password is wrong."]}] * 3
    assert not any(b"not the password" in response.content for response in responses)


def test_a_refusal_is_on_record_under_the_name_of_an_account_only(browser, auditor):
    sign_in(browser, auditor.user.username, "not the password")
    sign_in(browser, "hunter2-hunter2", "not the password")
    kind = (actions.SESSION_OPENED, "authentication_failed", "console")
    assert refusals() == [(*kind, "aude", "anonymous"), (*kind, "", "anonymous")]
    assert "hunter2" not in json.dumps(list(log_rows().values()), default=str)


def test_an_empty_form_is_a_fault_and_no_attempt(browser, auditor):
    response = browser.post("/login/", {})
    assert response.status_code == 422
    assert set(errors(response)) == {"username", "password"}
    assert refusals() == []


def test_the_form_keeps_the_username_and_not_the_password(browser, auditor):
    content = sign_in(browser, auditor.user.username, "not the password").content.decode()
    assert 'value="aude"' in content
    assert "not the password" not in content


def test_five_failures_lock_the_account_on_the_page_and_in_the_api(browser, auditor):
    for _ in range(5):
        assert sign_in(browser, auditor.user.username, "not the password").status_code == 401
    response = sign_in(browser, auditor.user.username)
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    assert "Try again after <time" in response.content.decode()
    body = {"username": auditor.user.username, "password": PASSWORD}
    assert auditor.api.post("/auth/login", body).code == "throttled"


def test_a_sign_in_forgives_earlier_failures(browser, auditor):
    sign_in(browser, auditor.user.username, "not the password")
    sign_in(browser, auditor.user.username)
    assert LoginAttempt.objects.get().failures == 0


def test_the_address_is_throttled_here_and_at_the_api_together(browser, auditor, settings):
    settings.CC_THROTTLE_AUTH = "2/day"
    assert sign_in(browser, "nobody").status_code == 401
    assert sign_in(browser, "nobody").status_code == 401
    assert sign_in(browser, auditor.user.username).status_code == 429
    assert auditor.api.post("/auth/login", {"username": "nobody", "password": "x"}).code == "throttled"
    assert (actions.SESSION_OPENED, "throttled", "console", "", "anonymous") in refusals()


def test_the_form_asks_for_its_csrf_token(auditor):
    assert sign_in(Client(enforce_csrf_checks=True), auditor.user.username).status_code == 403


@pytest.mark.parametrize(
    ("asked", "location"),
    [
        ("/keys/?search=a", "/keys/?search=a"),
        ("https://evil.example/", "/home/"),
        ("//evil.example", "/home/"),
    ],
)
def test_the_way_back_leads_to_paths_of_ours_only(browser, auditor, asked, location):
    assert sign_in(browser, auditor.user.username, next=asked)["Location"] == location


def test_the_sign_in_page_redirects_a_signed_in_user(browser, auditor):
    sign_in(browser, auditor.user.username)
    assert browser.get("/login/", {"next": "/keys/"})["Location"] == "/keys/"


# --- the second factor


def test_a_code_is_asked_for_after_the_right_password_only(browser, auditor):
    enrol(auditor)
    assert browser.get("/login/code/")["Location"] == "/login/"
    assert sign_in(browser, auditor.user.username, "not the password").status_code == 401
    assert browser.get("/login/code/").status_code == 302
    response = sign_in(browser, auditor.user.username, next="/keys/")
    assert (response.status_code, response["Location"]) == (303, "/login/code/?next=%2Fkeys%2F")
    assert browser.get("/login/code/").status_code == 200
    assert not is_inside(browser)


def test_the_right_password_without_the_code_is_on_record_as_over_the_api(browser, auditor):
    enrol(auditor)
    sign_in(browser, auditor.user.username)
    auditor.api.post("/auth/login", {"username": auditor.user.username, "password": PASSWORD})
    kind = actions.SESSION_OPENED, "otp_required"
    assert refusals() == [(*kind, source, "aude", "anonymous") for source in ("console", "api")]


def test_a_code_without_a_password_before_it_leads_back(browser, auditor):
    authenticator, _ = enrol(auditor)
    response = send_code(browser, authenticator.code(), next="/keys/")
    assert (response.status_code, response["Location"]) == (303, "/login/?next=%2Fkeys%2F")
    assert not is_inside(browser)


def test_the_right_code_opens_the_session(browser, auditor):
    authenticator, _ = enrol(auditor)
    sign_in(browser, auditor.user.username)
    before = browser.session.session_key
    response = send_code(browser, authenticator.code(), next="/keys/")
    assert (response.status_code, response["Location"]) == (303, "/keys/")
    assert is_inside(browser)
    assert browser.session.session_key != before
    assert PENDING not in browser.session
    entry = log_rows().get(action=actions.SESSION_OPENED, outcome="ok", source="console")
    assert (entry.user_id, entry.auth_method) == (auditor.user.id, "password+totp")


def test_a_code_after_a_reset_of_the_authenticator_is_no_second_factor(browser, auditor, admin):
    """Any code passes then. Otherwise the password alone would open the session of an officer."""
    enrol(auditor)
    sign_in(browser, auditor.user.username)
    totp.reset_totp(principal=admin.principal, user_id=auditor.user.id)
    assert send_code(browser, "000000").status_code == 303
    assert browser.session["has_second_factor"] is False


def test_a_code_may_be_written_in_groups(browser, auditor):
    authenticator, _ = enrol(auditor)
    sign_in(browser, auditor.user.username)
    code = authenticator.code()
    assert send_code(browser, f" {code[:3]} {code[3:]} ").status_code == 303


def test_a_wrong_code_is_refused_and_on_record_under_the_name(browser, auditor):
    authenticator, _ = enrol(auditor)
    sign_in(browser, auditor.user.username)
    wrong = authenticator.wrong_code()
    response = send_code(browser, wrong)
    assert (response.status_code, list(errors(response))) == (401, [""])
    assert wrong not in response.content.decode()
    assert not is_inside(browser)
    found = [(action, code, name) for action, code, _, name, _ in refusals()]
    assert found[1:] == [(actions.SESSION_OPENED, "authentication_failed", "aude")]
    assert send_code(browser, authenticator.code()).status_code == 303


def test_five_wrong_codes_close_the_second_factor(browser, auditor):
    authenticator, _ = enrol(auditor)
    sign_in(browser, auditor.user.username)
    for _ in range(5):
        assert send_code(browser, authenticator.wrong_code()).status_code == 401
    response = send_code(browser, authenticator.code())
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0


def test_a_code_opens_one_session_only(auditor):
    authenticator, _ = enrol(auditor)
    code, first, second = authenticator.code(), Client(), Client()
    for browser in (first, second):
        sign_in(browser, auditor.user.username)
    assert send_code(first, code).status_code == 303
    assert send_code(second, code).status_code == 401


def test_a_recovery_code_does_once(browser, auditor):
    _, (recovery_code, *_) = enrol(auditor)
    sign_in(browser, auditor.user.username)
    assert send_code(browser, "", recovery_code=recovery_code).status_code == 303
    assert is_inside(browser)
    assert log_rows().filter(action=actions.RECOVERY_CODE_USED, source="console").exists()
    again = Client()
    sign_in(again, auditor.user.username)
    assert send_code(again, recovery_code).status_code == 401


def test_the_page_requires_the_password_again_after_five_minutes(browser, auditor):
    authenticator, _ = enrol(auditor)
    sign_in(browser, auditor.user.username)
    shift_pending(browser, timedelta(minutes=4, seconds=50))
    assert browser.get("/login/code/").status_code == 200
    shift_pending(browser, timedelta(minutes=5, seconds=1))
    assert browser.get("/login/code/").status_code == 302
    assert send_code(browser, authenticator.code())["Location"] == "/login/"
    assert not is_inside(browser)


def shift_pending(browser, ago):
    session = browser.session
    pending = session[PENDING]
    pending[2] = (database_now() - ago).isoformat()
    session[PENDING] = pending
    session.save()


def test_a_password_that_was_changed_meanwhile_ends_what_is_pending(browser, auditor, admin):
    authenticator, _ = enrol(auditor)
    sign_in(browser, auditor.user.username)
    auditor.user.subject_version += 1
    auditor.user.save_with_mac()
    assert send_code(browser, authenticator.code()).status_code == 401
    assert not is_inside(browser)


# --- sessions


def test_each_sign_in_has_a_new_session_id_the_same_users_too(browser, auditor):
    keys = []
    for _ in range(2):
        sign_in(browser, auditor.user.username)
        keys.append(browser.session.session_key)
    assert keys[0] != keys[1]
    assert not BrowserSession.objects.filter(session_key=row_key(keys[0])).exists()


def test_a_session_id_that_a_stranger_planted_is_not_taken_over(browser, auditor):
    browser.cookies["session"] = planted = "a" * 32
    sign_in(browser, auditor.user.username)
    assert browser.session.session_key != planted


def test_a_log_out_ends_the_session_and_is_on_record(browser, auditor):
    sign_in(browser, auditor.user.username)
    key = browser.session.session_key
    assert browser.get("/logout/").status_code == 405
    assert is_inside(browser)
    response = browser.post("/logout/")
    assert (response.status_code, response["Location"]) == (303, "/login/?signed-out")
    assert b"You have signed out" in browser.get("/login/?signed-out").content
    assert not is_inside(browser)
    assert not BrowserSession.objects.filter(session_key=row_key(key)).exists()
    entry = log_rows().get(action=actions.SESSION_CLOSED)
    assert (entry.source, entry.user_id) == ("console", auditor.user.id)


def test_htmx_gets_a_new_token_after_a_sign_in_over_a_page(browser, auditor):
    sent = {"username": auditor.user.username, "password": PASSWORD}
    response = browser.post("/login/", sent, headers=HTMX)
    assert response.status_code == 204
    assert json.loads(response["HX-Trigger"])["cc:signed-in"]["token"]
    wrong = Client().post("/login/", sent | {"password": "no"}, headers=HTMX | {"HX-Target": "dialog-body"})
    assert wrong.status_code == 422  # the only error status whose content htmx shows
    assert (actions.SESSION_OPENED, "authentication_failed", "console", "aude", "anonymous") in refusals()


# --- reauthentication


@pytest.fixture
def stale(browser, auditor):
    """A session whose last authentication is too old for irreversible actions."""
    sign_in(browser, auditor.user.username)
    session = browser.session
    session[CONFIRMED_AT] = (database_now() - timedelta(hours=1)).isoformat()
    session.save()
    return browser


def confirmed_ago(browser):
    return database_now() - type(database_now()).fromisoformat(browser.session[CONFIRMED_AT])


def test_the_password_confirms_where_there_is_no_authenticator(stale, auditor):
    assert "password" in stale.get("/reauth/?next=/keys/").content.decode()
    before = stale.session.session_key
    response = stale.post("/reauth/", {"password": PASSWORD, "next": "/keys/"})
    assert (response.status_code, response["Location"]) == (303, "/keys/")
    assert confirmed_ago(stale) < timedelta(minutes=1)
    assert stale.session.session_key != before
    entry = log_rows().get(action=actions.IDENTITY_CONFIRMED)
    assert (entry.user_id, entry.source, entry.auth_method) == (auditor.user.id, "console", "password")


def test_a_wrong_password_confirms_nothing_and_is_on_record(stale, auditor):
    response = stale.post("/reauth/", {"password": "not the password"})
    assert response.status_code == 401
    assert confirmed_ago(stale) > timedelta(minutes=30)
    assert is_inside(stale)
    assert refusals() == [(actions.IDENTITY_CONFIRMED, "authentication_failed", "console", "aude", "user")]


def test_a_user_who_has_an_authenticator_confirms_with_a_code_not_with_the_password(browser, auditor):
    authenticator, _ = enrol(auditor)
    sign_in(browser, auditor.user.username)
    send_code(browser, authenticator.code())
    assert browser.post("/reauth/", {"password": PASSWORD}).status_code == 422
    assert browser.post("/reauth/", {"code": authenticator.wrong_code()}).status_code == 401
    let_time_pass()
    assert browser.post("/reauth/", {"code": authenticator.code()})["Location"] == "/home/"
    assert log_rows().get(action=actions.IDENTITY_CONFIRMED, outcome="ok").auth_method == "totp"


def test_a_confirmation_redirects_only_to_paths_of_ours(stale):
    sent = {"password": PASSWORD, "next": "https://evil.example/"}
    assert stale.post("/reauth/", sent)["Location"] == "/home/"
