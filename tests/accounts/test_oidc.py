"""Sign-in through an OpenID Connect provider: accepted and refused responses, and the entries of refusals.

The issuer runs in this process, so that it can respond with forged tokens. ``test_oidc_provider`` uses a real one.
"""

import json
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from django.db import connections
from django.test import Client

from accounts import actions
from accounts.models import BrowserSession, OidcIdentity, User
from accounts.origin import Origin
from accounts.sessions.browser_sessions import CONFIRMED_AT
from accounts.sign_in.oidc import services as oidc
from accounts.sign_in.oidc.checks import check_oidc
from accounts.sign_in.oidc.claims import ExternalIdentity, role_of, username_of, values_of
from accounts.sign_in.oidc.configuration import OidcSettings
from accounts.sign_in.oidc.provider import provider
from accounts.sign_in.oidc.views import STATE
from accounts.users.services import editing
from audit.log.refusals import flush
from audit.models import AuditLog, AuditTrail
from kernel.clock import process_now
from kernel.crypto.asymmetric.certificates import self_signed
from tests.accounts.oidc_issuer import ACCESS_TOKEN, CLIENT_ID, CODE, running_issuer
from tests.browsing import signed_in
from tests.clocks import travel
from tests.log_entries import log_rows
from tests.personas import PASSWORD

pytestmark = pytest.mark.django_db

SECRET = "secret: of & the tests"
HTMX = {"HX-Request": "true"}


@pytest.fixture(scope="module")
def the_issuer():
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture
def issuer(the_issuer, settings, operator):
    """The issuer, as configured. An operator exists, so the installation is set up."""
    the_issuer.reset()
    settings.CC_OIDC = OidcSettings(
        issuer=the_issuer.url,
        client_id=CLIENT_ID,
        client_secret=SECRET,
        roles=("key-admins=admin", "engineers=developer"),
        name="Example ID",
    )
    return the_issuer


@pytest.fixture
def browser():
    return Client()


def begin(browser, path="/login/oidc/", **fields):
    """The parameters with which the browser goes to the provider."""
    response = browser.post(path, fields)
    assert response.status_code == 200, response.content
    url = response["Refresh"].removeprefix("0; url=")
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def come_back(browser, issuer, sent, **changes):
    response = {"code": CODE, "state": sent["state"], "iss": issuer.url} | changes
    return browser.get("/login/oidc/callback", {name: value for name, value in response.items() if value})


def sign_in(browser, issuer, **changes):
    """The response to a sign-in with valid tokens that have these claims."""
    sent = begin(browser)
    issuer.id_token = issuer.sign(issuer.claims(sent["nonce"], **changes))
    return come_back(browser, issuer, sent)


def is_inside(browser):
    return browser.get("/home/").status_code == 200


def refusals():
    """``(action, code, outcome, actor's name)`` of every recorded refusal."""
    flush()
    found = log_rows().exclude(outcome="ok").order_by("id")
    return list(found.values_list("action", "code", "outcome", "actor_name"))


# --- the way there and back


def test_the_sign_in_page_offers_no_provider_without_an_issuer(browser, operator):
    assert b"/login/oidc/" not in browser.get("/login/").content
    assert browser.post("/login/oidc/")["Location"] == "/login/"
    assert browser.get("/login/oidc/callback", {"code": "x", "state": "x"})["Location"] == "/login/"


def test_a_person_signs_in_and_becomes_a_user(browser, issuer):
    assert b"Sign in with Example ID" in browser.get("/login/").content
    sent = begin(browser, next="/keys/")
    assert (sent["response_type"], sent["code_challenge_method"]) == ("code", "S256")
    assert sent["redirect_uri"] == "http://127.0.0.1:8000/login/oidc/callback"
    assert sent["scope"] == "openid profile groups"
    state = browser.session[STATE]["state"]
    issuer.id_token = issuer.sign(issuer.claims(sent["nonce"]))
    response = come_back(browser, issuer, sent)
    assert (response.status_code, response["Location"]) == (303, "/keys/")
    assert is_inside(browser)
    assert STATE not in browser.session
    user = User.objects.get(username="paul")
    assert (user.role, user.has_usable_password(), user.email) == ("developer", False, None)
    row = OidcIdentity.objects.get().check_mac()
    assert (row.user, row.issuer, row.subject) == (user, issuer.url, "s-1")
    entry = log_rows().get(action=actions.SESSION_OPENED, user_id=user.id)
    assert (entry.auth_method, entry.outcome, entry.source) == ("oidc", "ok", "console")
    assert json.loads(entry.meta)["provider_methods"] == "pwd otp"
    made = log_rows().filter(action__in=[actions.USER_CREATED, actions.IDENTITY_LINKED], object_id=user.id)
    assert made.count() == 2
    # The code went to the token endpoint with the verifier and the secret, and none of them anywhere else.
    [(_, fields, authorization)] = [request for request in issuer.requests if request[0] == "/token"]
    assert fields["code_verifier"] == state["verifier"]
    assert "client_secret" not in fields
    assert authorization.startswith("Basic ")
    stored = json.dumps([list(model.objects.values()) for model in (AuditLog, AuditTrail)], default=str)
    for secret in (CODE, ACCESS_TOKEN, issuer.id_token, SECRET, *state.values()):
        assert secret not in stored


def test_the_next_sign_in_finds_the_same_user(browser, issuer):
    assert sign_in(browser, issuer).status_code == 303
    user = User.objects.get(username="paul")
    assert sign_in(Client(), issuer, preferred_username="Another Name").status_code == 303
    assert log_rows().filter(action=actions.SESSION_OPENED, user_id=user.id).count() == 2
    assert OidcIdentity.objects.count() == 1


def test_a_local_user_of_the_same_name_or_address_is_never_taken_over(browser, issuer, admin):
    response = sign_in(browser, issuer, preferred_username=admin.user.username, email="ada@example.org")
    assert response.status_code == 303
    assert browser.session["_auth_user_id"] != str(admin.user.id)
    assert User.objects.get(username="ada-2").role == "developer"


def test_another_issuer_with_the_same_subject_is_another_person(browser, issuer, developer):
    OidcIdentity(user=developer.user, issuer="https://id.example.org", subject="s-1").save_with_mac()
    assert sign_in(browser, issuer).status_code == 303
    assert browser.session["_auth_user_id"] != str(developer.user.id)


def test_groups_may_come_from_the_user_info(browser, issuer):
    assert sign_in(browser, issuer, groups=None).status_code == 303
    assert ("/userinfo", {}, f"Bearer {ACCESS_TOKEN}") in issuer.requests


@pytest.mark.parametrize("endpoint", [None, "http://id.example.org/userinfo"])
def test_a_provider_without_safe_user_info_gives_the_groups_of_the_token_only(browser, issuer, endpoint):
    issuer.responses[DISCOVERY] = 200, issuer.metadata(userinfo_endpoint=endpoint)
    assert sign_in(browser, issuer, groups=None).status_code == 403
    assert sign_in(browser, issuer).status_code == 303


def test_the_user_info_of_another_person_is_refused(browser, issuer):
    issuer.responses["/userinfo"] = 200, {"sub": "s-2", "groups": ["key-admins"]}
    assert sign_in(browser, issuer, groups=None).status_code == 401
    assert refusals() == [(actions.SESSION_OPENED, "id_token_refused", "denied", "")]


@pytest.mark.parametrize(
    ("methods", "secret", "names"),
    [
        (["client_secret_post"], SECRET, {"client_id", "client_secret"}),
        (["none"], "", {"client_id"}),
    ],
)
def test_the_client_authenticates_as_the_provider_supports(browser, issuer, settings, methods, secret, names):
    settings.CC_OIDC = replace(settings.CC_OIDC, client_secret=secret)
    metadata = issuer.metadata(token_endpoint_auth_methods_supported=methods)
    issuer.responses["/.well-known/openid-configuration"] = 200, metadata
    assert sign_in(browser, issuer).status_code == 303
    [(_, fields, authorization)] = [request for request in issuer.requests if request[0] == "/token"]
    assert authorization == ""
    assert names == {"client_id", "client_secret"} & fields.keys()


def test_the_dialog_over_a_page_leads_back_to_the_page(browser, issuer):
    headers = HTMX | {"HX-Target": "dialog-body", "HX-Current-URL": "http://testserver/keys/?search=a"}
    content = browser.get("/login/", headers=headers).content.decode()
    assert 'name="next" value="/keys/?search=a"' in content
    assert 'hx-boost="false"' in content
    assert browser.get("/login/", headers=headers | {"HX-Current-URL": "http://["}).status_code == 200


# --- responses that are refused


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state": "another"}, "sign_in_expired"),
        ({"state": ""}, "sign_in_expired"),
        ({"iss": "https://id.example.org"}, "id_token_refused"),
        ({"iss": ""}, "id_token_refused"),  # the metadata promises it
        ({"error": "access_denied", "code": ""}, "provider_refused"),
    ],
)
def test_a_response_that_belongs_to_no_started_sign_in_is_refused(browser, issuer, changes, code):
    sent = begin(browser)
    issuer.id_token = issuer.sign(issuer.claims(sent["nonce"]))
    response = come_back(browser, issuer, sent, **changes)
    assert response.status_code == 401
    assert response["Referrer-Policy"] == "no-referrer"
    assert code in response.content.decode()
    assert refusals() == [(actions.SESSION_OPENED, code, "denied", "")]
    assert not is_inside(browser)
    assert not any(path == "/token" for path, *_ in issuer.requests)
    assert come_back(browser, issuer, sent).status_code == 401  # the state was used up


def test_a_response_works_once_and_in_its_own_browser_only(browser, issuer):
    sent = begin(browser)
    issuer.id_token = issuer.sign(issuer.claims(sent["nonce"]))
    assert come_back(Client(), issuer, sent).status_code == 401
    assert come_back(browser, issuer, sent).status_code == 303
    assert come_back(browser, issuer, sent).status_code == 401
    assert {code for _, code, *_ in refusals()} == {"sign_in_expired"}


def test_a_response_after_ten_minutes_is_refused(browser, issuer):
    sent = begin(browser)
    with travel(process_now() + timedelta(minutes=11)):
        issuer.id_token = issuer.sign(issuer.claims(sent["nonce"]))
        assert come_back(browser, issuer, sent).status_code == 401


def test_a_token_of_an_earlier_sign_in_is_refused(browser, issuer):
    assert sign_in(browser, issuer).status_code == 303
    other = Client()
    assert (
        come_back(other, issuer, begin(other)).status_code == 401
    )  # the token endpoint repeats the old token
    assert not is_inside(other)


def test_a_code_that_the_provider_refuses_is_refused(browser, issuer):
    sent = begin(browser)
    issuer.responses["/token"] = 400, {"error": "invalid_grant"}
    assert come_back(browser, issuer, sent).status_code == 401
    assert refusals() == [(actions.SESSION_OPENED, "provider_refused", "denied", "")]


def altered(issuer, claims):
    head, body, signature = issuer.sign(claims).split(".")
    return f"{head}.{body[:-2]}{'A' if body[-2] != 'A' else 'B'}{body[-1]}.{signature}"


FORGED = {
    "another key": (lambda it, claims: it.sign(claims, key=it.strange_key), "InvalidSignatureError"),
    "altered": (altered, None),
    "no signature": (lambda it, claims: jwt.encode(claims, None, algorithm="none"), "algorithm"),
    "HS256, public key": (lambda it, claims: it.sign_with_secret(claims, it.public_pem()), "algorithm"),
    "HS256, client secret": (lambda it, claims: it.sign_with_secret(claims, SECRET.encode()), "algorithm"),
    "unknown key": (lambda it, claims: it.sign(claims, key=it.strange_key, kid="2"), "unknown key"),
    "key of another type": (lambda it, claims: it.sign(claims, kid="curve"), "unknown key"),
    "no token": (lambda it, claims: "a.b", "DecodeError"),
    "too large": (lambda it, claims: it.sign({**claims, "groups": ["g" * 70_000]}), "size"),
}
NOW = int(time.time())
WRONG = {
    "audience": ({"aud": "another"}, "InvalidAudienceError"),
    "audiences": ({"aud": [CLIENT_ID, "another"]}, "authorized party"),
    "authorized party": ({"azp": "another"}, "authorized party"),
    "issuer": ({"iss": "https://id.example.org"}, "InvalidIssuerError"),
    "nonce": ({"nonce": "another"}, "nonce"),
    "no nonce": ({"nonce": None}, "nonce"),
    "expired": ({"exp": lambda: int(time.time()) - 32}, "ExpiredSignatureError"),
    "no expiry": ({"exp": None}, "MissingRequiredClaimError"),
    "issued in the future": ({"iat": lambda: int(time.time()) + 60}, "ImmatureSignatureError"),
    "access token": ({"at_hash": "another"}, "access token hash"),
    "no subject": ({"sub": None}, "MissingRequiredClaimError"),
    "long subject": ({"sub": "s" * 256}, "subject"),
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_token_is_refused(browser, issuer, caplog, kind):
    forge, reason = FORGED[kind]
    sent = begin(browser)
    issuer.id_token = forge(issuer, issuer.claims(sent["nonce"]))
    assert_refused(browser, issuer, sent, caplog, reason)


@pytest.mark.parametrize("kind", WRONG)
def test_a_signed_token_for_something_else_is_refused(browser, issuer, caplog, kind):
    changes, reason = WRONG[kind]
    changes = {name: value() if callable(value) else value for name, value in changes.items()}
    sent = begin(browser)
    issuer.id_token = issuer.sign(issuer.claims(sent["nonce"], **changes))
    assert_refused(browser, issuer, sent, caplog, reason)


def assert_refused(browser, issuer, sent, caplog, reason):
    response = come_back(browser, issuer, sent)
    assert response.status_code == 401
    assert refusals() == [(actions.SESSION_OPENED, "id_token_refused", "denied", "")]
    assert not is_inside(browser)
    assert not OidcIdentity.objects.exists()
    assert reason is None or f"An ID token was refused: {reason}" in caplog.messages
    for secret in (CODE, issuer.id_token, ACCESS_TOKEN, SECRET, sent["nonce"]):
        assert secret not in caplog.text
        assert secret not in response.content.decode()


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": lambda: int(time.time()) - 20, "iat": lambda: int(time.time()) + 20},  # the clocks differ
        {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID},
        {"at_hash": None},
    ],
)
def test_a_valid_token_in_another_form_is_accepted(browser, issuer, changes):
    changes = {name: value() if callable(value) else value for name, value in changes.items()}
    assert sign_in(browser, issuer, **changes).status_code == 303


def test_a_token_with_an_elliptic_curve_is_accepted(browser, issuer):
    sent = begin(browser)
    claims = issuer.claims(sent["nonce"])
    issuer.id_token = issuer.sign(claims, key=issuer.curve_key, alg="ES256", kid="curve")
    assert come_back(browser, issuer, sent).status_code == 303


def test_a_new_key_is_read_but_not_more_often_than_once_a_minute(browser, issuer):
    assert sign_in(browser, issuer).status_code == 303
    issuer.kid = "2"
    assert sign_in(Client(), issuer).status_code == 401
    keys = provider.current._keys
    provider.current._keys = replace(keys, at=keys.at - 61)
    assert sign_in(Client(), issuer).status_code == 303
    assert sum(path == "/keys" for path, *_ in issuer.requests) == 2


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_a_person_who_signs_in_twice_at_once_becomes_one_user():
    identity = ExternalIdentity(
        issuer="https://id.example.org",
        subject="s-1",
        username="paul",
        role="developer",
        methods="",
        authenticated_at=None,
    )
    origin = Origin(client_ip="127.0.0.1", user_agent="tests", request_id="test")
    together = Barrier(2)

    def sign_in_once(_):
        together.wait()
        try:
            return oidc.sign_in_with_oidc(identity=identity, origin=origin).id
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as threads:
        assert len(set(threads.map(sign_in_once, range(2)))) == 1
    assert (User.objects.count(), OidcIdentity.objects.count()) == (1, 1)


# --- the role, and the state of the user


def test_a_person_without_a_mapped_role_is_denied_on_record(browser, issuer):
    response = sign_in(browser, issuer, groups=["everyone"])
    assert response.status_code == 403
    assert "gives you no role" in response.content.decode()
    assert refusals() == [(actions.SESSION_OPENED, "sign_in_denied", "denied", "paul")]
    assert not User.objects.filter(username="paul").exists()


def test_a_new_role_ends_the_other_sessions(browser, issuer):
    sign_in(browser, issuer)
    other = Client()
    assert sign_in(other, issuer, groups=["key-admins"]).status_code == 303
    assert (is_inside(other), is_inside(browser)) == (True, False)
    assert User.objects.get(username="paul").check_mac().role == "admin"
    entry = log_rows().get(action=actions.USER_ROLE_CHANGED)
    assert (entry.actor_type, entry.actor_name) == ("anonymous", "paul")


def test_a_lost_role_ends_the_open_sessions(browser, issuer):
    sign_in(browser, issuer)
    assert sign_in(Client(), issuer, groups=[]).status_code == 403
    assert not is_inside(browser)


def test_the_last_administrator_keeps_the_role_and_stays_outside(browser, issuer):
    sign_in(browser, issuer, groups=["key-admins"])
    response = sign_in(Client(), issuer)
    assert response.status_code == 403
    assert "last active administrator" in response.content.decode()
    assert User.objects.get(username="paul").role == "admin"


def test_a_disabled_user_stays_outside(browser, issuer, admin):
    sign_in(browser, issuer)
    user = User.objects.get(username="paul")
    editing.disable_user(principal=admin.principal, user_id=user.id)
    assert not is_inside(browser)
    assert sign_in(Client(), issuer).status_code == 403
    assert refusals() == [(actions.SESSION_OPENED, "sign_in_denied", "denied", "paul")]


def test_an_identity_that_was_moved_in_the_database_opens_nothing(browser, issuer, admin):
    sign_in(browser, issuer)
    OidcIdentity.objects.update(user=admin.user)
    other = Client()
    assert sign_in(other, issuer).status_code == 503
    assert not is_inside(other)


def test_a_user_of_the_provider_has_no_factors_here(browser, issuer):
    sign_in(browser, issuer, auth_time=int(time.time()))
    assert browser.post("/login/", {"username": "paul", "password": PASSWORD}).status_code == 401
    assert browser.post("/account/mfa/").status_code == 422
    assert browser.post("/account/passkeys/new/").status_code == 422
    content = browser.get("/account/").content.decode()
    assert "Through the identity provider" in content
    assert "/account/password/" not in content


# --- a recent sign-in


def confirm(browser, issuer, **changes):
    sent = begin(browser, "/reauth/oidc/", next="/account/")
    assert (sent["prompt"], sent["max_age"]) == ("login", "0")
    usual = {"auth_time": int(time.time())}
    issuer.id_token = issuer.sign(issuer.claims(sent["nonce"], **usual | changes))
    return come_back(browser, issuer, sent)


def test_only_a_recent_sign_in_at_the_provider_counts_as_recent(browser, issuer):
    for auth_time, is_recent in (
        (None, False),
        (int(time.time()) - 3600, False),
        (int(time.time()) - 5, True),
    ):
        sign_in(browser, issuer, auth_time=auth_time, groups=["key-admins"])
        response = browser.get("/account/passkeys/new/")
        assert (response.status_code == 200) is is_recent, auth_time


def test_a_new_sign_in_at_the_provider_confirms_the_identity(browser, issuer):
    sign_in(browser, issuer)
    assert "Confirm with Example ID" in browser.get("/reauth/").content.decode()
    response = confirm(browser, issuer)
    assert (response.status_code, response["Location"]) == (303, "/account/")
    assert browser.get("/account/passkeys/new/").status_code == 200
    assert log_rows().get(action=actions.IDENTITY_CONFIRMED).auth_method == "oidc"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"auth_time": None}, "id_token_refused"),
        ({"auth_time": NOW - 3600}, "id_token_refused"),
        ({"sub": "s-2"}, "sign_in_denied"),
        ({"groups": ["key-admins"]}, "sign_in_denied"),
    ],
)
def test_an_old_sign_in_or_another_person_confirms_nothing(browser, issuer, changes, code):
    sign_in(browser, issuer)
    before = browser.session[CONFIRMED_AT]
    assert confirm(browser, issuer, **changes).status_code in {401, 403}
    assert browser.session[CONFIRMED_AT] == before
    assert refusals()[-1][:2] == (actions.IDENTITY_CONFIRMED, code)


def test_a_response_to_a_confirmation_opens_no_session(browser, issuer):
    sign_in(browser, issuer)
    sent = begin(browser, "/reauth/oidc/")
    issuer.id_token = issuer.sign(issuer.claims(sent["nonce"], auth_time=int(time.time())))
    BrowserSession.objects.filter(user__isnull=False).update(expire_date=process_now())
    assert come_back(browser, issuer, sent).status_code == 401
    assert not is_inside(browser)


# --- a provider that does not work


DISCOVERY = "/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("path", "provided"),
    [
        (DISCOVERY, (500, {})),
        (DISCOVERY, (404, {})),
        (DISCOVERY, (302, {})),
        (DISCOVERY, (200, b"<html>")),
        (DISCOVERY, (200, b"[" * 100_000)),
        (DISCOVERY, (200, b" " * 300_000)),
        (DISCOVERY, {"issuer": "https://id.example.org"}),
        (DISCOVERY, {"token_endpoint": "http://id.example.org/token"}),
        (DISCOVERY, {"jwks_uri": None}),
    ],
)
def test_an_outage_is_shown_and_passwords_still_work(browser, issuer, operator, path, provided):
    issuer.responses[path] = provided if isinstance(provided, tuple) else (200, issuer.metadata(**provided))
    response = browser.post("/login/oidc/")
    assert response.status_code == 503
    assert b"The identity provider cannot be used" in response.content
    assert refusals() == [(actions.SESSION_OPENED, "provider_unavailable", "error", "")]
    assert signed_in(operator)


@pytest.mark.parametrize("path", ["/token", "/keys", "/userinfo"])
def test_an_outage_on_the_way_back_opens_nothing(browser, issuer, path):
    sent = begin(browser)
    issuer.id_token = issuer.sign(issuer.claims(sent["nonce"], groups=None))
    issuer.responses[path] = 502, {}
    assert come_back(browser, issuer, sent).status_code == 503
    assert not is_inside(browser)


def test_the_certificate_of_the_provider_is_verified(browser, operator, settings, tmp_path, monkeypatch):
    certificate, key = self_signed(["127.0.0.1"], now=process_now())
    (tmp_path / "certificate.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    with running_issuer(context) as issuer:
        settings.CC_OIDC = OidcSettings(issuer=issuer.url, client_id=CLIENT_ID, roles=("a=admin",))
        response = browser.post("/login/oidc/")
        assert response.status_code == 503
        assert b"tls_failed" in response.content
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        begin(browser)


def test_an_unreachable_provider_is_an_outage(browser, issuer, settings):
    settings.CC_OIDC = replace(settings.CC_OIDC, issuer="http://127.0.0.1:9")
    assert browser.post("/login/oidc/").status_code == 503


# --- claims and settings


def test_the_first_pair_that_matches_decides():
    pairs = ("CN=Key Admins=admin", "b=operator", "a=developer")
    assert role_of(["a", "b"], pairs) == "operator"
    assert role_of(["CN=Key Admins", "a"], pairs) == "admin"
    assert role_of(["c"], pairs) == ""


@pytest.mark.parametrize(
    ("claims", "values"),
    [
        ({"roles": "admin"}, ["admin"]),
        ({"roles": ["a", 1, None, "b"]}, ["a", "b"]),
        ({"realm": {"roles": ["a"]}}, []),
        ({}, []),
    ],
)
def test_a_claim_has_one_text_or_a_list(claims, values):
    assert values_of(claims, "roles") == values


def test_a_claim_may_be_a_path_or_a_name_with_dots():
    assert values_of({"realm": {"roles": ["a"]}}, "realm.roles") == ["a"]
    assert values_of({"https://example.org/roles": ["a"]}, "https://example.org/roles") == ["a"]
    assert values_of({"realm": "x"}, "realm.roles") == []


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"preferred_username": "Mila.K"}, "mila.k"),
        ({"preferred_username": "CORP\\mila"}, "corp-mila"),
        ({"preferred_username": "  ", "email": "mila@example.org"}, "mila@example.org"),
        ({"preferred_username": "m" * 80}, "m" * 64),
        ({"preferred_username": ["mila"]}, "user"),
    ],
)
def test_a_username_is_made_valid(claims, name):
    assert username_of(claims) == name


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({}, []),
        ({"issuer": ""}, []),
        ({"issuer": "http://127.0.0.1:8080"}, []),
        ({"issuer": "http://id.example.org"}, ["ciphercanary.E016"]),
        ({"issuer": "https://id.example.org/?a=b"}, ["ciphercanary.E016"]),
        ({"client_id": ""}, ["ciphercanary.E017"]),
        ({"roles": ()}, ["ciphercanary.E017"]),
        ({"roles": ("a=root",)}, ["ciphercanary.E018"]),
        ({"roles": ("admin",)}, ["ciphercanary.E018"]),
    ],
)
def test_a_wrong_setting_is_an_error(settings, changes, ids):
    valid = {"issuer": "https://id.example.org", "client_id": "c", "roles": ("a=admin",)}
    settings.CC_OIDC = OidcSettings(**valid | changes)
    assert [message.id for message in check_oidc()] == ids


def test_the_client_secret_is_not_printed(settings):
    assert SECRET not in repr(OidcSettings(client_secret=SECRET))
