"""Users with a second factor, whose sessions used it."""

from dataclasses import replace
from datetime import timedelta

from django.test import Client

from accounts.origin import Origin
from accounts.sessions.services.sessions import open_session
from accounts.tokens.access_tokens import authenticate_bearer
from canaries.documents import HOST, active_officers
from canaries.sealed import journal
from canaries.sealed.store import read_set
from canaries.services.offices import appoint_officer
from kernel.clock import database_now
from tests.accounts.test_totp import enrol
from tests.personas import PASSWORD, ApiClient, make_persona

ORIGIN = Origin(client_ip="127.0.0.1", user_agent="tests", request_id="test")


def with_factor(persona):
    """The persona after they set up an authenticator, with a session that used it, and the authenticator."""
    authenticator, _ = enrol(persona)
    pair = open_session(persona.user, "password+totp", ORIGIN)
    api = ApiClient(pair.access_token)
    principal = authenticate_bearer(pair.access_token, ORIGIN)
    return replace(persona, api=api, principal=principal), authenticator


def make_officer(name, role="developer"):
    """An officer that the host appointed, and their browser."""
    persona, authenticator = with_factor(make_persona(name, role))
    appoint_officer(by=HOST, user_id=persona.user.id)
    return persona, browser_of(persona, authenticator)


def browser_of(persona, authenticator):
    browser = Client()
    browser.post("/login/", {"username": persona.user.username, "password": PASSWORD})
    assert browser.post("/login/code/", {"code": authenticator.code()}).status_code == 303
    return browser


def are_active(after=timedelta()):
    now = database_now() + after
    names = {office.user_id: office.name for office in read_set().offices}
    return sorted(names[each] for each in active_officers(read_set().offices, now))


def records():
    return [record for each in journal.read() for record in each.page.records]


def words():
    return [record.word for record in records()]


def titles():
    """Of the notices."""
    return [record.facts["title"] for record in records() if record.word == "notice.written"]
