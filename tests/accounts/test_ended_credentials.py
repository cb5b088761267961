"""The refusal of a genuine credential that has ended has its holder and its id; a guess has neither."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import jwt
import pytest
from django.test import Client

from accounts.models import ServiceToken, TokenFamily, User
from accounts.origin import Origin
from accounts.service_accounts.services import accounts as service_accounts
from accounts.service_accounts.services import tokens as service_tokens
from accounts.sessions.services import sessions
from accounts.users.services import editing
from kernel.clock import database_now
from tests.clocks import travel
from tests.factories import KeyFactory, TokenFactory
from tests.log_entries import log_rows
from tests.personas import ApiClient

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

ORIGIN = Origin(client_ip="192.0.2.7", user_agent="tests", request_id="r")
OCTETS = {"Content-Type": "application/octet-stream"}
NOBODY = ("", "", None, "")


@pytest.fixture
def account(admin):
    return service_accounts.create_service_account(
        principal=admin.principal, name="billing", role="developer"
    )


@pytest.fixture
def created(admin, account):
    """A token of the service account."""
    scopes = ["keys.read", "keys.create", "crypto.random", "crypto.encrypt", "crypto.inspect"]
    return TokenFactory(principal=admin.principal, account_id=account.account.id, scopes=scopes)


def named():
    """Of the newest entry, a refusal: the method, the ids of the credential and of its holder, and their name."""
    entry = log_rows().latest("id")
    assert (entry.outcome, entry.code) in {("denied", "authentication_failed"), ("denied", "token_expired")}
    return entry.auth_method, entry.token_id, entry.actor_id or entry.user_id, entry.actor_name


# --- service tokens


def revoke(admin, token):
    service_tokens.revoke_token(principal=admin.principal, token_id=token.id)


def expire(_admin, token):
    token.expires_at = database_now()
    token.save_with_mac()


def disable(admin, token):
    change = {"account_id": token.owner.id, "changes": {"is_active": False}}
    service_accounts.update_service_account(principal=admin.principal, **change)


@pytest.mark.parametrize("end", [revoke, expire, disable])
def test_an_ended_service_token_is_refused_by_name(admin, account, created, end):
    end(admin, created.token)
    assert ApiClient(created.text).get("/api/v1/keys").status == 401
    assert named() == ("service_token", str(created.token.id), account.account.id, "billing")


INTERFACES = {
    "change": lambda api, _key: api.post("/api/v1/keys", {"name": "k", "algorithm": "aes-256"}),
    "engine": lambda api, _key: api.post("/api/v1/random", {"bytes": 1}),
    "inspection": lambda api, _key: api.post("/api/v1/inspect", {"ciphertext": ""}),
    "stream": lambda api, key: api.post(f"/api/v1/stream/encrypt?key_id={key}", b"x", **OCTETS),
    "file": lambda api, key: api.post(f"/api/v1/files?operation=encrypt&key_id={key}", b"x", **OCTETS),
    "metrics": lambda api, _key: api.get("/metrics", X_Forwarded_For="192.0.2.1"),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("interface", INTERFACES)
def test_every_interface_refuses_an_ended_token_by_name(admin, account, created, interface):
    api, key = ApiClient(created.text), KeyFactory(principal=admin.principal)
    assert api.post("/api/v1/random", {"bytes": 1}).status == 200  # from now on, this process knows the token
    revoke(admin, created.token)
    assert INTERFACES[interface](api, key.id).status == 401
    assert named() == ("service_token", str(created.token.id), account.account.id, "billing")
    assert log_rows().latest("id").action != "api.request.refused"


def test_the_token_of_a_user_that_ended_with_their_sessions_is_refused_by_name(admin, developer):
    created = TokenFactory(principal=developer.principal, scopes=["keys.read"])
    editing.sign_out_everywhere(principal=admin.principal, user_id=developer.user.id)
    assert ApiClient(created.text).get("/api/v1/keys").status == 401
    assert named() == ("service_token", str(created.token.id), developer.user.id, "dora")


@pytest.mark.parametrize("is_deleted", [True, False], ids=["deleted", "unknown"])
def test_a_deleted_or_unknown_service_token_has_no_holder(created, is_deleted):
    if is_deleted:
        ServiceToken.objects.all().delete()
    text = created.text if is_deleted else service_tokens.new_token()
    assert ApiClient(text).get("/api/v1/keys").status == 401
    assert named() == NOBODY


# --- sessions


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def test_an_access_token_of_an_ended_session_is_refused_by_name(developer):
    sessions.sign_out(refresh_token=developer.refresh_token, origin=ORIGIN)
    assert developer.api.get("/auth/me").status == 401
    assert named() == ("password", claims_of(developer.api.token)["jti"], developer.user.id, "dora")


@pytest.mark.parametrize(
    ("deleted", "auth_method", "name"),
    [(None, "password", "dora"), (TokenFamily, "", "dora"), (User, "", "")],
    ids=["known", "deleted-session", "deleted-user"],
)
@pytest.mark.usefixtures("admin")  # another user
def test_an_expired_access_token_is_refused_by_name(developer, deleted, auth_method, name):
    claims = claims_of(developer.api.token)
    if deleted:
        deleted.objects.all().delete()
    with travel(datetime.fromtimestamp(claims["exp"], UTC)):
        response = developer.api.get("/auth/me")
        assert (response.status, response.code) == (401, "token_expired")
        assert named() == (auth_method, claims["jti"], developer.user.id, name)


def test_an_expired_access_token_with_another_signature_has_no_holder(developer):
    claims, token = claims_of(developer.api.token), developer.api.token
    forged = token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:]
    with travel(datetime.fromtimestamp(claims["exp"], UTC)):
        assert ApiClient(forged).get("/auth/me").status == 401
        assert named() == NOBODY


def use(developer):
    sessions.refresh(refresh_token=developer.refresh_token, origin=ORIGIN)


def end_family(developer):
    family = TokenFamily.objects.get(pk=developer.principal.family_id)
    family.expires_at = family.auth_time - timedelta(seconds=1)
    family.save_with_mac()


@pytest.mark.parametrize(
    ("end", "path", "sent"),
    [
        (use, "refresh", {}),
        (end_family, "refresh", {}),
        (
            lambda developer: sessions.sign_out(refresh_token=developer.refresh_token, origin=ORIGIN),
            "refresh",
            {},
        ),
        (use, "logout", {"everywhere": True}),
    ],
    ids=["used", "expired", "signed-out", "used-to-sign-out"],
)
def test_an_ended_refresh_token_is_refused_by_name(developer, end, path, sent):
    end(developer)
    response = ApiClient().post(f"/auth/{path}", {"refresh_token": developer.refresh_token, **sent})
    assert (response.status, response.code) == (401, "authentication_failed")
    assert named() == ("password", str(developer.principal.family_id), developer.user.id, "dora")


# --- client secrets


def oauth(account, client_secret, **more):
    form = {"grant_type": "client_credentials", "client_id": str(account.id), "client_secret": client_secret}
    headers = {"X-Request-ID": "one"}
    return Client().post(
        "/oauth/token", urlencode(form | more), "application/x-www-form-urlencoded", headers=headers
    )


def expire_secret(admin, account):
    service_accounts.rotate_client_secret(
        principal=admin.principal, account_id=account.id, overlap=timedelta(0)
    )


def disable_account(admin, account):
    change = {"account_id": account.id, "changes": {"is_active": False}}
    service_accounts.update_service_account(principal=admin.principal, **change)


@pytest.mark.parametrize("end", [expire_secret, disable_account])
def test_an_ended_client_secret_is_refused_by_name_with_the_response_to_a_guess(admin, account, end):
    row, secret_id = account.account, str(account.account.secrets.get().pk)
    guessed = oauth(row, "ccs_guess")
    assert named() == NOBODY
    assert log_rows().latest("id").object_id == str(row.id)
    end(admin, row)
    refused = oauth(row, account.client_secret)
    assert named() == ("client_credentials", secret_id, row.id, "billing")
    assert log_rows().latest("id").object_id == str(row.id)
    assert (refused.status_code, refused.content, refused.headers) == (
        guessed.status_code,
        guessed.content,
        guessed.headers,
    )


def test_entries_of_a_valid_client_secret_have_its_number(account):
    row = account.account
    oauth(row, account.client_secret)
    oauth(row, account.client_secret, scope="nothing")
    issued, refused = log_rows().filter(action="accounts.service_token.issued").order_by("id")
    assert (issued.outcome, refused.outcome, refused.code) == ("ok", "error", "token_request_refused")
    for entry in (issued, refused):
        assert (entry.auth_method, entry.token_id) == ("client_credentials", str(row.secrets.get().pk))
        assert (entry.actor_id, entry.actor_name) == (row.id, "billing")
