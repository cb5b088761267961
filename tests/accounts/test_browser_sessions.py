"""Browser sessions: how they are renewed, how they end, and the list of the user's own sessions."""

from datetime import timedelta

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.exceptions import SessionInterrupted
from django.test import RequestFactory

from accounts import actions
from accounts.errors import SessionEnded
from accounts.models import BrowserSession, RefreshToken, TokenFamily, User
from accounts.principals import user_entity
from accounts.second_factors.services import passkeys, totp
from accounts.session_engine import BEGAN_AT, SessionStore, row_key
from accounts.sessions.browser_sessions import principal_of
from accounts.sessions.devices import device_words
from accounts.sessions.services import own_sessions
from accounts.tokens.access_tokens import renew_principal
from accounts.users.services import editing
from kernel.clock import database_now, process_now
from kernel.errors import NotFound, Unauthenticated
from kernel.freshness.epoch import read_stamp
from keys.creation.services import create_key
from tests.browsing import signed_in
from tests.log_entries import log_rows
from tests.personas import PASSWORD, ApiClient

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
POLL = {"HX-Request": "true", "CC-Poll": "true"}


def sign_in(persona, user_agent=FIREFOX):
    return signed_in(persona, headers={"User-Agent": user_agent})


def row_of(browser):
    return BrowserSession.objects.get(session_key=row_key(browser.session.session_key))


def is_inside(browser):
    return browser.get("/account/").status_code == 200


def make_older(browser, age):
    """Make the session appear unused for ``age``; it expires after 30 idle minutes."""
    session = browser.session
    session.set_expiry(database_now() + timedelta(minutes=30) - age)
    session.save()


def entries(action):
    return list(log_rows().filter(action=action).order_by("id"))


# --- session lifetime


def test_a_row_shows_whose_session_it_is_and_from_where(developer):
    row = row_of(sign_in(developer))
    assert (row.user, row.subject_version, row.client_ip) == (developer.user, 1, "127.0.0.1")
    assert row.user_agent == FIREFOX
    assert timedelta(minutes=29) < row.expire_date - database_now() <= timedelta(minutes=30)


def test_a_request_of_a_person_renews_the_half_hour(developer):
    browser = sign_in(developer)
    make_older(browser, timedelta(minutes=25))
    response = browser.get("/account/")
    assert row_of(browser).expire_date - database_now() > timedelta(minutes=29)
    assert 29 * 60 < int(response["CC-Session-Seconds"]) <= 30 * 60


def test_a_poll_prolongs_nothing_and_shows_how_much_is_left(developer):
    browser = sign_in(developer)
    make_older(browser, timedelta(minutes=25))
    before = row_of(browser)
    response = browser.get("/account/", headers=POLL)
    after = row_of(browser)
    assert (after.expire_date, after.last_seen_at) == (before.expire_date, before.last_seen_at)
    assert 4 * 60 < int(response["CC-Session-Seconds"]) <= 5 * 60


def test_a_poll_that_changes_the_session_prolongs_nothing_either(developer):
    browser = sign_in(developer)
    make_older(browser, timedelta(minutes=25))
    expiry = row_of(browser).expire_date
    browser.post(
        "/account/sessions/", {"session": "others"}, headers=POLL
    )  # its message is stored in the session
    assert row_of(browser).expire_date == expiry


def test_the_absolute_end_is_never_passed(developer, settings):
    browser = sign_in(developer)
    session = browser.session
    session[BEGAN_AT] = (database_now() - timedelta(hours=11, minutes=50)).isoformat()
    session.save()
    assert is_inside(browser)
    assert row_of(browser).expire_date - database_now() <= timedelta(minutes=10)
    session = browser.session
    session[BEGAN_AT] = (database_now() - timedelta(hours=12)).isoformat()
    session.save()
    assert not is_inside(browser)


def test_the_idle_time_is_a_setting(developer, settings):
    settings.SESSION_COOKIE_AGE = 5 * 60
    browser = sign_in(developer)
    assert row_of(browser).expire_date - database_now() <= timedelta(minutes=5)


def test_a_session_that_was_ended_does_not_come_to_life_again_under_a_new_key(developer):
    browser = sign_in(developer)
    store = SessionStore(browser.session.session_key)
    assert store[BEGAN_AT]
    BrowserSession.objects.all().delete()
    with pytest.raises(SessionInterrupted):
        store.cycle_key()
    assert not BrowserSession.objects.exists()


def test_a_new_key_leaves_the_row_and_takes_the_old_key_away(developer):
    browser = sign_in(developer)
    before = row_of(browser)
    assert browser.post("/reauth/", {"password": PASSWORD}).status_code == 303
    after = row_of(browser)
    assert after.id == before.id
    assert after.session_key != before.session_key
    assert not BrowserSession.objects.filter(session_key=before.session_key).exists()


# --- the list, in the browser and over the API


def test_the_list_shows_browsers_and_programs_and_no_key(developer):
    here, there = sign_in(developer), sign_in(developer, "curl/8.5.0")
    content = here.get("/account/sessions/").content.decode()
    assert content.count("This session") == 1
    assert "Firefox on Linux" in content
    assert "curl" in content
    assert "API" in content
    for browser in (here, there):
        assert browser.session.session_key not in content
    assert str(row_of(there).id) in content


def test_the_api_lists_the_same(developer):
    browser = sign_in(developer)
    found = developer.api.get("/auth/sessions").json["results"]
    assert [(each["kind"], each["is_present"]) for each in found] == [("api", True), ("browser", False)]
    assert found[1]["id"] == str(row_of(browser).id)
    assert found[1]["device"] == "Firefox on Linux"
    assert browser.session.session_key not in str(found)


def test_someone_else_s_sessions_are_not_there(developer, stranger):
    row = row_of(sign_in(developer))
    assert len(stranger.api.get("/auth/sessions").json["results"]) == 1
    for session_id in (row.id, developer.principal.family_id):
        response = stranger.api.delete(f"/auth/sessions/{session_id}")
        assert (response.status, response.code) == (404, "not_found")
        assert sign_in(stranger).post("/account/sessions/", {"session": session_id}).status_code == 422
    assert BrowserSession.objects.filter(id=row.id).exists()


def test_a_browser_that_is_signed_out_from_elsewhere_is_out_at_once(developer):
    here, there = sign_in(developer), sign_in(developer)
    row = row_of(there)
    assert here.post("/account/sessions/", {"session": row.id}).status_code == 303
    assert not is_inside(there)
    assert is_inside(here)
    (entry,) = entries(actions.SESSION_REVOKED)
    assert (entry.object_type, entry.object_id) == ("session", str(row.id))


def test_a_program_that_is_signed_out_is_refused_at_once(developer):
    browser = sign_in(developer)
    assert browser.post("/account/sessions/", {"session": developer.principal.family_id}).status_code == 303
    assert developer.api.get("/auth/me").code == "authentication_failed"
    refused = ApiClient().post("/auth/refresh", {"refresh_token": developer.refresh_token})
    assert refused.status == 401


def test_signing_out_others_leaves_this_one(developer, stranger):
    here, there, another = (sign_in(developer) for _ in range(3))
    untouched = sign_in(stranger)
    done = here.post("/account/sessions/", {"session": "others"}, follow=True)
    assert "Signed out of 3 other sessions" in done.content.decode()
    assert [is_inside(browser) for browser in (here, there, another, untouched)] == [True, False, False, True]
    assert developer.api.get("/auth/me").status == 401
    assert stranger.api.get("/auth/me").status == 200
    assert len(entries(actions.SESSION_REVOKED)) == 3


def test_the_api_ends_all_others_too(developer):
    browser = sign_in(developer)
    assert developer.api.delete("/auth/sessions").status == 204
    assert developer.api.get("/auth/me").status == 200
    assert not is_inside(browser)


def test_this_session_can_be_ended_as_well(developer):
    browser = sign_in(developer)
    response = browser.post("/account/sessions/", {"session": row_of(browser).id})
    assert response["Location"] == "/login/?signed-out"
    assert not is_inside(browser)


@pytest.mark.parametrize("asked", ["", "x", "00000000-0000-0000-0000-000000000000"])
def test_the_page_refuses_to_end_a_session_that_the_user_does_not_have(developer, asked):
    response = sign_in(developer).post("/account/sessions/", {"session": asked})
    assert response.status_code == 422
    assert b'role="alert"' in response.content


def test_a_principal_is_refused_after_the_end_of_its_session(developer):
    """A service that checks its caller again at the end detects that the session has ended meanwhile."""
    browser = sign_in(developer)
    principal = browser.get("/account/").wsgi_request.principal
    BrowserSession.objects.all().delete()
    with pytest.raises(Unauthenticated):
        own_sessions.end_other_sessions(principal=principal)


def test_sessions_of_an_earlier_subject_version_are_not_listed(developer):
    sign_in(developer)
    editing.sign_out_everywhere(principal=developer.principal, user_id=developer.user.id)
    developer.user.refresh_from_db()
    browser = sign_in(developer)
    principal = browser.get("/account/").wsgi_request.principal
    assert [each.is_present for each in own_sessions.list_sessions(principal=principal)] == [True]


def test_a_family_is_seen_where_it_was_refreshed_last(developer):
    pair = ApiClient().post(
        "/auth/refresh", {"refresh_token": developer.refresh_token}, User_Agent="python-httpx/0.28"
    )
    assert pair.status == 200
    family = TokenFamily.objects.get(user=developer.user)
    assert (family.user_agent, family.refreshed_at) != ("tests", None)
    family.check_mac()
    assert RefreshToken.objects.filter(family=family).count() == 2


def test_an_unknown_session_is_no_session(developer):
    with pytest.raises(NotFound):
        own_sessions.end_session(principal=developer.principal, session_id=developer.user.id)


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1 Version/18.5 Safari/605.1",
            "Safari on macOS",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1 Version/18.5 Mobile Safari/604.1",
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        ("curl/8.5.0", "curl"),
        ("python-httpx/0.28.1", "python-httpx"),
        ("Mozilla/5.0 (Linux)", "Linux"),
        ("", "Unknown device"),
        ("<script>alert(1)</script>", "Unknown device"),
    ],
)
def test_a_device_in_words(user_agent, words):
    assert device_words(user_agent) == words


# --- ending a session also ends requests that it has started


def principal_in(browser):
    """Return the principal of a request that began in this browser before any later change."""
    request = RequestFactory().get("/account/")
    request.session, request.user = browser.session, User.objects.get(pk=browser.session[SESSION_KEY])
    request.request_id, request.client_ip = "a-request", "192.0.2.1"
    return principal_of(request, request.user, read_stamp(user_entity(request.user.id)))


def disabled(admin, user):
    editing.disable_user(principal=admin.principal, user_id=user.id)


def given_a_password(admin, user):
    editing.set_password(principal=admin.principal, user_id=user.id, password="quite another horse")


def given_a_role(admin, user):
    editing.set_role(principal=admin.principal, user_id=user.id, role="auditor")


def signed_out(admin, user):
    BrowserSession.objects.filter(user=user).delete()


def timed_out(admin, user):
    BrowserSession.objects.filter(user=user).update(expire_date=process_now())


@pytest.mark.parametrize("end", [disabled, given_a_password, given_a_role, signed_out, timed_out])
def test_a_request_that_began_before_the_end_of_its_session_changes_nothing(admin, developer, end):
    principal = principal_in(sign_in(developer))
    assert renew_principal(principal).user_id == developer.user.id
    end(admin, developer.user)
    with pytest.raises(SessionEnded):
        renew_principal(principal)
    with pytest.raises(SessionEnded):
        create_key(principal=principal, name="too-late", algorithm="aes-256")
    with pytest.raises(SessionEnded):
        totp.enrol_totp(principal=principal)
    with pytest.raises(SessionEnded):
        passkeys.add_passkey(principal=principal, name="telephone", state={}, credential="{}")
