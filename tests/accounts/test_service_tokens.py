"""Service accounts, service tokens and the OAuth2 token endpoint."""

import base64
import json
from datetime import timedelta
from urllib.parse import urlencode
from uuid import uuid4

import pytest
import time_machine
from django.test import Client

from accounts.errors import NameTaken, TokenExpired, TokenRevoked
from accounts.models import ClientSecret, ServiceToken
from accounts.origin import Origin
from accounts.service_accounts.services import accounts as service_accounts
from accounts.service_accounts.services import tokens as service_tokens
from accounts.sessions.services.own_sessions import list_sessions
from accounts.tokens.access_tokens import authenticate_bearer, authenticate_known_bearer, renew_principal
from accounts.tokens.service_tokens import new_token, require_network
from accounts.tokens.services import listing
from accounts.users.services import editing
from kernel.clock import database_now
from kernel.errors import Conflict, Denied, Invalid, NotFound, RecentAuthRequired, Unauthenticated
from kernel.freshness.epoch import read_epoch, renew_stamps
from kernel.trust.row_mac import IntegrityFailed
from tests.factories import TokenFactory
from tests.log_entries import log_rows
from tests.personas import ApiClient

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

FORM = "application/x-www-form-urlencoded"
ORIGIN = Origin(client_ip="192.0.2.7", user_agent="tests", request_id="r")


@pytest.fixture
def account(admin):
    return service_accounts.create_service_account(
        principal=admin.principal, name="billing", role="developer", description="Invoices"
    )


def test_a_second_service_account_with_the_same_name_is_refused(admin, account):
    with pytest.raises(NameTaken, match="A service account named billing already exists"):
        service_accounts.create_service_account(
            principal=admin.principal, name=account.account.name, role="developer"
        )


def token_for(principal, account=None, **changes):
    return TokenFactory(principal=principal, account_id=account and account.account.id, **changes)


def test_a_token_has_the_rights_of_its_owner_within_its_scopes(admin, account):
    created = token_for(admin.principal, account)
    caller = authenticate_bearer(created.text, ORIGIN)
    assert (caller.identity, caller.role) == (account.account.identity, "developer")
    assert caller.permissions == {"crypto.encrypt"}
    with pytest.raises(Denied) as refused:
        caller.require("crypto.decrypt")
    assert refused.value.extra["rule"] == f"token:{created.token.id}"
    with pytest.raises(Denied) as refused:
        caller.require("users.manage")
    assert refused.value.extra["rule"] == "role:developer"


def test_other_texts_are_no_tokens(admin, account):
    right = token_for(admin.principal, account).text
    for text in ("cct_", "cct_x", "cct_" + "0" * 72, new_token(), f"cct_{right[4:].upper()}", right[:-1]):
        with pytest.raises(Unauthenticated):
            authenticate_bearer(text, ORIGIN)


def test_a_token_is_limited_to_its_networks_and_its_use_from_elsewhere_is_on_record(admin, account):
    created = token_for(admin.principal, account, scopes=["keys.read"], networks=["192.0.2.0/24"])
    require_network(authenticate_bearer(created.text, ORIGIN), ORIGIN.client_ip)
    response = ApiClient(created.text).get("/api/v1/keys")
    assert (response.status, response.json["rule"]) == (403, f"token:{created.token.id}")
    entry = log_rows().filter(outcome="denied").latest("id")
    assert (entry.actor_name, entry.token_id) == ("billing", str(created.token.id))


def test_a_revoked_token_ends_at_once(admin, account):
    created = token_for(admin.principal, account)
    caller = authenticate_bearer(created.text, ORIGIN)
    service_tokens.revoke_token(principal=admin.principal, token_id=created.token.id)
    for use in (lambda: authenticate_bearer(created.text, ORIGIN), lambda: renew_principal(caller)):
        with pytest.raises(TokenRevoked):
            use()


def test_a_known_token_costs_no_statement_until_something_changes(admin, account, django_assert_num_queries):
    created = token_for(admin.principal, account)
    origin = Origin(client_ip="192.0.2.7", user_agent="tests", request_id="second")
    first = authenticate_known_bearer(created.text, ORIGIN)
    with django_assert_num_queries(0):
        again = authenticate_known_bearer(created.text, origin)
    assert (again.permissions, again.actor) == (first.permissions, origin.actor_like(first.actor))
    change = {"principal": admin.principal, "account_id": account.account.id}
    service_accounts.update_service_account(**change, changes={"role": "operator"})
    renew_stamps([again.stamp], read_epoch())  # as a commit does
    present = authenticate_known_bearer(created.text, ORIGIN)
    assert present.role == "operator"
    service_tokens.revoke_token(principal=admin.principal, token_id=created.token.id)
    renew_stamps([present.stamp], read_epoch())
    with pytest.raises(TokenRevoked):
        authenticate_known_bearer(created.text, ORIGIN)


def test_a_change_of_the_account_reaches_its_tokens(admin, account):
    caller = authenticate_bearer(token_for(admin.principal, account).text, ORIGIN)
    change = {"principal": admin.principal, "account_id": account.account.id}
    service_accounts.update_service_account(**change, changes={"role": "operator"})
    assert (renew_principal(caller).role, renew_principal(caller).permissions) == ("operator", frozenset())
    service_accounts.update_service_account(**change, changes={"is_active": False})
    with pytest.raises(TokenRevoked):
        renew_principal(caller)


def test_an_expired_token_is_refused(admin, account):
    created = token_for(admin.principal, account)
    created.token.expires_at = database_now()
    created.token.save_with_mac()
    with pytest.raises(TokenExpired):
        authenticate_bearer(created.text, ORIGIN)


def test_the_log_keeps_the_reason_of_a_change(admin, account):
    sent = {"is_active": False, "reason": "retired"}
    assert admin.api.send("PATCH", f"/api/v1/service-accounts/{account.account.id}", sent).status == 200
    entry = log_rows().filter(object_id=str(account.account.id)).latest("id")
    assert json.loads(entry.meta)["reason"] == "retired"


def test_write_access_to_the_database_gives_no_rights(admin, account):
    created = token_for(admin.principal, account)
    ServiceToken.objects.update(scopes=["crypto.decrypt"])
    with pytest.raises(IntegrityFailed):
        authenticate_bearer(created.text, ORIGIN)


def test_a_rotation_gives_a_new_token_and_ends_the_old_one_after_the_overlap(admin, account):
    old = token_for(admin.principal, account)
    caller = authenticate_bearer(old.text, ORIGIN)
    new = service_tokens.rotate_token(
        principal=admin.principal, token_id=old.token.id, overlap=timedelta(hours=1)
    )
    assert (
        authenticate_bearer(new.text, ORIGIN).permissions == authenticate_bearer(old.text, ORIGIN).permissions
    )
    old.token.refresh_from_db()
    assert old.token.expires_at <= database_now() + timedelta(hours=1)
    assert renew_principal(caller).not_after == old.token.expires_at
    ended = service_tokens.rotate_token(
        principal=admin.principal, token_id=new.token.id, overlap=timedelta(0)
    )
    with pytest.raises(TokenExpired):
        authenticate_bearer(new.text, ORIGIN)
    assert authenticate_bearer(ended.text, ORIGIN)
    for token in (old.token, new.token):  # still valid for the overlap, and ended
        with pytest.raises(Conflict):
            service_tokens.rotate_token(
                principal=admin.principal, token_id=token.id, overlap=timedelta(hours=1)
            )


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("scopes", {"scopes": []}),
        ("scopes", {"scopes": ["users.manage"]}),
        ("scopes", {"scopes": ["tokens.manage"]}),
        ("networks", {"networks": ["192.0.2.1/24"]}),
        ("keys", {"key_ids": []}),
        ("expires_at", {"expires_at": database_now}),
        ("expires_at", {"expires_at": lambda: database_now() + timedelta(days=400)}),
        ("name", {"name": ""}),
    ],
)
def test_bad_input_names_its_field(admin, account, field, changes):
    with pytest.raises(Invalid) as refused:
        token_for(
            admin.principal,
            account,
            **{name: value() if callable(value) else value for name, value in changes.items()},
        )
    assert list(refused.value.fields) == [field]


def test_people_manage_their_own_tokens_and_only_with_a_recent_sign_in(admin, developer, operator, account):
    own = token_for(developer.principal)
    assert own.token.identity == developer.principal.identity
    for somebody, expected in ((developer, [own.token]), (operator, []), (admin, [own.token])):
        assert list(listing.list_tokens(principal=somebody.principal)) == expected
    with pytest.raises(NotFound):
        service_tokens.revoke_token(principal=operator.principal, token_id=own.token.id)
    with pytest.raises(Denied):
        token_for(developer.principal, account)
    with pytest.raises(Denied):
        list_sessions(principal=authenticate_bearer(own.text, ORIGIN))
    user_token = token_for(admin.principal, scopes=["users.manage"])
    with pytest.raises(RecentAuthRequired):
        service_accounts.create_service_account(
            principal=authenticate_bearer(user_token.text, ORIGIN), name="another", role="admin"
        )


def oauth(account, **changes):
    form = {
        "grant_type": "client_credentials",
        "client_id": str(account.account.id),
        "client_secret": account.client_secret,
    }
    sent = {name: value for name, value in (form | changes).items() if value is not None}
    return Client().post("/oauth/token", urlencode(sent, doseq=True), FORM)


def test_client_credentials_give_a_short_lived_token(account):
    response = oauth(account, scope="encrypt keys.read")
    body = response.json()
    assert (response.status_code, response["Cache-Control"]) == (200, "no-store")
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 1800, "encrypt keys.read")
    assert ApiClient(body["access_token"]).get("/api/v1/keys").status == 200
    assert ApiClient(body["access_token"]).get("/api/v1/rotations").status == 200
    assert ApiClient(body["access_token"]).get("/auth/sessions").status == 403

    pair = f"{account.account.id}:{account.client_secret}".encode()
    basic = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    response = Client().post("/oauth/token", "grant_type=client_credentials", FORM, headers=basic)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "ccs_wrong"}, 401, "invalid_client"),
        ({"client_id": str(uuid4())}, 401, "invalid_client"),
        ({"client_id": "x"}, 401, "invalid_client"),
        ({"client_id": None}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": "users.manage"}, 400, "invalid_scope"),
        ({"scope": ["encrypt", "decrypt"]}, 400, "invalid_request"),
    ],
)
def test_refusals_have_the_form_of_rfc_6749(account, changes, status, error):
    response = oauth(account, **changes)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert ("WWW-Authenticate" in response) == (status == 401)


def test_a_rotated_client_secret_stays_valid_during_the_overlap(admin, account):
    new = service_accounts.rotate_client_secret(
        principal=admin.principal, account_id=account.account.id, overlap=timedelta(hours=1)
    )
    assert oauth(account).status_code == oauth(account, client_secret=new).status_code == 200
    with time_machine.travel(database_now(), tick=False):  # they end in this instant
        service_accounts.rotate_client_secret(
            principal=admin.principal, account_id=account.account.id, overlap=timedelta(0)
        )
        assert oauth(account).status_code == oauth(account, client_secret=new).status_code == 401


def test_a_disabled_account_gets_no_token_and_an_inserted_secret_is_refused(admin, account):
    ClientSecret.objects.update(expires_at=database_now() + timedelta(days=9))
    assert oauth(account).status_code == 503
    ClientSecret.objects.update(expires_at=None)
    service_accounts.update_service_account(
        principal=admin.principal, account_id=account.account.id, changes={"is_active": False}
    )
    assert oauth(account).status_code == 401


def test_a_users_token_ends_with_their_sessions(admin, developer, account):
    own, of_account = token_for(developer.principal), token_for(admin.principal, account)
    editing.sign_out_everywhere(principal=admin.principal, user_id=developer.user.id)
    with pytest.raises(TokenRevoked):
        authenticate_bearer(own.text, ORIGIN)
    authenticate_bearer(of_account.text, ORIGIN)
    shown = listing.get_token(principal=admin.principal, token_id=own.token.id)
    assert shown.state(database_now()) == "revoked"


def test_only_its_owner_rotates_the_token_of_a_user(admin, developer):
    created = token_for(developer.principal)
    with pytest.raises(Denied) as refused:
        service_tokens.rotate_token(
            principal=admin.principal, token_id=created.token.id, overlap=timedelta(0)
        )
    assert refused.value.rule == "token-owner"


def test_a_token_for_some_keys_has_no_scope_about_other_things(admin):
    with pytest.raises(Invalid) as refused:
        token_for(admin.principal, scopes=["audit.read", "crypto.encrypt"], key_ids=[uuid4()])
    assert list(refused.value.fields) == ["scopes"]


def test_an_issued_token_ends_with_its_client_secret_and_its_account(admin, account):
    def issue(client_secret):
        return service_tokens.issue_token(
            client_id=str(account.account.id), client_secret=client_secret, scopes=[], origin=ORIGIN
        )[0]

    change = {"principal": admin.principal, "account_id": account.account.id}
    service_accounts.update_service_account(**change, changes={"role": "admin"})
    first = issue(account.client_secret)
    assert "users.manage" not in first.token.scopes
    second = issue(service_accounts.rotate_client_secret(**change, overlap=timedelta(0)))
    service_accounts.update_service_account(**change, changes={"is_active": False})
    service_accounts.update_service_account(**change, changes={"is_active": True})
    for issued in (first, second):
        with pytest.raises(Unauthenticated):
            authenticate_bearer(issued.text, ORIGIN)


def test_a_request_deletes_a_limited_number_of_expired_issued_tokens(account, monkeypatch):
    monkeypatch.setattr(service_tokens, "_DELETED_AT_ONCE", 2)
    for _ in range(3):
        assert oauth(account).status_code == 200
    ServiceToken.objects.update(expires_at=database_now() - timedelta(seconds=1))
    assert oauth(account).status_code == 200
    assert ServiceToken.objects.count() == 2


def test_a_secret_that_ends_while_a_token_is_issued_gives_none(admin, account, monkeypatch):
    def rotate_first():
        monkeypatch.undo()
        service_accounts.rotate_client_secret(
            principal=admin.principal, account_id=account.account.id, overlap=timedelta(0)
        )

    monkeypatch.setattr(service_tokens, "lock_epoch", rotate_first)
    assert oauth(account).status_code == 401
    assert not ServiceToken.objects.exists()
