"""Sign-in against a real provider, without a browser: what it issues is accepted once, and what it refuses is refused."""

import base64
import json
import re
from dataclasses import replace
from functools import partial
from http.cookiejar import CookieJar
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, build_opener

import pytest
import time_machine
from django.test import Client

from accounts import actions
from accounts.errors import IdTokenRefused
from accounts.models import User
from accounts.sign_in.oidc.configuration import OidcSettings
from accounts.sign_in.oidc.id_token import LEEWAY, Expected, verify_id_token
from accounts.sign_in.oidc.provider import provider
from accounts.sign_in.oidc.views import STATE
from audit.log.refusals import flush
from tests.log_entries import log_rows
from tests.oidc_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    MISSING,
    ROLES,
    is_installed,
    is_required,
    running_provider,
)

pytestmark = [pytest.mark.process, pytest.mark.django_db]

CALLBACK = "http://127.0.0.1:8000/login/oidc/callback"
FORM = re.compile(r'action="([^"]+)"')
PROMPT = re.compile(r'name="prompt" value="(\w+)"')


class Arrived(Exception):
    """The provider redirects back to CipherCanary."""


class UntilCallback(HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if newurl.startswith(CALLBACK):
            raise Arrived(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Visitor:
    """A person at the provider, with cookies."""

    def __init__(self):
        self.opener = build_opener(HTTPCookieProcessor(CookieJar()), UntilCallback())

    def go(self, url, name):
        """Sign in as ``name`` and give consent. The parameters of the callback."""
        try:
            page = self.opener.open(url)
            while True:
                text = page.read().decode()
                prompt = PROMPT.search(text)[1]
                fields = {"prompt": prompt, "login": name, "password": "any"}
                page = self.opener.open(FORM.search(text)[1], urlencode(fields).encode())
        except Arrived as arrived:
            return dict(parse_qsl(urlsplit(str(arrived)).query))


@pytest.fixture(scope="module")
def real():
    if not is_installed():
        (pytest.fail if is_required() else pytest.skip)(MISSING)
    with running_provider([CALLBACK]) as provider:
        yield provider


@pytest.fixture
def browser(real, settings, operator):
    settings.CC_OIDC = OidcSettings(
        issuer=real.issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, roles=ROLES
    )
    return Client()


def begin(browser, path="/login/oidc/"):
    response = browser.post(path)
    assert response.status_code == 200, response.content
    return response["Refresh"].removeprefix("0; url=")


def come_back(browser, response):
    return browser.get("/login/oidc/callback", response)


def sign_in(browser, visitor, name):
    return come_back(browser, visitor.go(begin(browser), name))


def last_refusal():
    flush()
    entry = log_rows().exclude(outcome="ok").latest("id")
    return entry.action, entry.code, entry.actor_name


def test_people_sign_in_with_the_roles_that_the_provider_gives_them(browser):
    for name, role in (("olga", "admin"), ("paul", "developer")):
        visitor = Client()
        assert sign_in(visitor, Visitor(), name).status_code == 303
        assert visitor.get("/home/").status_code == 200
        assert User.objects.get(username=name).role == role
    assert sign_in(browser, Visitor(), "zoe").status_code == 403
    assert last_refusal() == (actions.SESSION_OPENED, "sign_in_denied", "zoe")


def test_a_code_works_once_and_with_its_own_verifier_only(browser):
    response = Visitor().go(begin(browser), "paul")
    thief = Client()
    begin(thief)
    session = thief.session
    kept = session[STATE]
    session[STATE] = kept | {"state": kept["state"] | {"state": response["state"]}}
    session.save()
    assert come_back(thief, response).status_code == 401  # PKCE: the verifier of another sign-in
    assert last_refusal()[:2] == (actions.SESSION_OPENED, "provider_refused")
    again = Client()
    url = begin(again)
    response = Visitor().go(url, "paul")
    kept = again.session[STATE]
    assert come_back(again, response).status_code == 303
    replay = Client()
    begin(replay)
    session = replay.session
    session[STATE] = kept
    session.save()
    assert come_back(replay, response).status_code == 401  # everything fits, but the code was used
    assert last_refusal()[:2] == (actions.SESSION_OPENED, "provider_refused")
    assert come_back(again, response).status_code == 401
    assert last_refusal()[:2] == (actions.SESSION_OPENED, "sign_in_expired")


def test_a_token_of_the_provider_is_refused_once_it_is_altered_expired_or_replayed(browser, real):
    response = Visitor().go(begin(browser), "paul")
    state = browser.session[STATE]["state"]
    tokens = provider.current.redeem(response["code"], state["verifier"], CALLBACK)
    expected = Expected(
        issuer=real.issuer,
        client_id=CLIENT_ID,
        nonce=state["nonce"],
        access_token=tokens.access_token,
    )
    verify = partial(verify_id_token, find_keys=provider.current.keys)
    assert verify(tokens.id_token, expected=expected)["sub"] == "paul"
    head, body, signature = tokens.id_token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "olga"}).encode()).rstrip(b"=").decode()
    with pytest.raises(IdTokenRefused):
        verify(f"{head}.{forged}.{signature}", expected=expected)
    for another in ({"nonce": "of the next sign-in"}, {"client_id": "another"}):
        with pytest.raises(IdTokenRefused):
            verify(tokens.id_token, expected=replace(expected, **another))
    with time_machine.travel(claims["exp"] + LEEWAY + 1), pytest.raises(IdTokenRefused):
        verify(tokens.id_token, expected=expected)


def test_the_provider_signs_in_again_for_a_recent_sign_in(browser):
    visitor = Visitor()
    sign_in(browser, visitor, "olga")
    assert browser.get("/account/passkeys/new/")["Location"].startswith("/reauth/")
    response = Visitor().go(begin(browser, "/reauth/oidc/"), "paul")
    assert come_back(browser, response).status_code == 403
    response = visitor.go(begin(browser, "/reauth/oidc/"), "olga")
    assert come_back(browser, response).status_code == 303
    assert browser.get("/account/passkeys/new/").status_code == 200
