"""The paths below ``auth/``: the caller's token, and tokens for service accounts."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import ServiceToken
from accounts.service_accounts.services.accounts import create_service_account, update_service_account
from tests.dialects.conftest import Vault, vault_of
from tests.factories import SYSTEM
from tests.log_entries import log_rows
from tests.personas import make_service_account, with_token


@pytest.fixture
def account(transactional_db):
    return create_service_account(principal=SYSTEM, name="shop", role="developer")


def login(role_id, secret_id, **headers):
    return Vault("").send(
        "POST", "auth/approle/login", {"role_id": role_id, "secret_id": secret_id}, **headers
    )


def test_a_service_account_logs_in_with_its_client_secret(account):
    response = login(str(account.account.pk), account.client_secret)
    auth = response.json["auth"]
    assert (response.status, response.json["data"], auth["lease_duration"]) == (200, None, 1800)
    client = Vault(auth["client_token"])
    client.data("keys/orders")
    assert client.encrypt("orders").startswith("vault:v1:")
    found = client.send("GET", "auth/token/lookup-self").json["data"]
    assert (found["accessor"], found["entity_id"]) == (auth["accessor"], str(account.account.pk))
    assert 1790 < found["ttl"] <= 1800
    ends = datetime.fromisoformat(found["expire_time"])
    assert abs(ends - datetime.now(UTC) - timedelta(seconds=found["ttl"])) < timedelta(seconds=5)
    assert (found["renewable"], auth["renewable"], auth["token_type"]) == (False, False, "service")
    assert "users.manage" not in auth["policies"]


@pytest.mark.parametrize(
    ("role_id", "secret_id", "error"),
    [
        ("ACCOUNT", "wrong", "invalid role or secret ID"),
        ("3f2b8c1e-0d4a-4e5f-9a6b-7c8d9e0f1a2b", "wrong", "invalid role or secret ID"),
        ("shop", "wrong", "invalid role or secret ID"),
        ("", "wrong", "missing role_id"),
        ("shop", None, "missing secret_id"),
    ],
)
def test_every_wrong_credential_gets_the_same_response(account, role_id, secret_id, error):
    refused = login(str(account.account.pk) if role_id == "ACCOUNT" else role_id, secret_id)
    assert (refused.status, refused.json) == (400, {"errors": [error]})


def test_an_ended_secret_is_refused_and_recorded_under_its_account(account):
    update_service_account(principal=SYSTEM, account_id=account.account.pk, changes={"is_active": False})
    assert login(str(account.account.pk), account.client_secret).json == {
        "errors": ["invalid role or secret ID"]
    }
    entry = log_rows().latest("id")
    assert (entry.actor_name, entry.code, entry.object_id) == (
        "shop",
        "authentication_failed",
        str(account.account.pk),
    )


def test_logins_are_limited_by_address(account, settings):
    settings.CC_THROTTLE_AUTH = "1/minute"
    assert [login("shop", "wrong").status for _ in range(2)] == [400, 429]


def test_a_token_ends_itself_and_nothing_else(account, admin):
    first, other = (
        Vault(login(str(account.account.pk), account.client_secret).json["auth"]["client_token"])
        for _ in "12"
    )
    limited = vault_of(with_token(admin, ["crypto.encrypt"]))
    for client in (first, limited):
        assert client.send("POST", "auth/token/revoke-self").status == 204
        assert client.send("GET", "auth/token/lookup-self").json == {"errors": ["permission denied"]}
    assert other.send("GET", "auth/token/lookup-self").status == 200
    assert vault_of(admin).send("GET", "auth/token/lookup-self").status == 200
    assert ServiceToken.objects.exclude(revoked_at=None).count() == 2


def test_a_token_looks_up_itself_only(account, admin):
    client, other = (vault_of(make_service_account(name, "developer")) for name in ("one", "two"))
    own = client.send("GET", "auth/token/lookup-self").json["data"]
    for sent in (client.token, None, ""):
        assert (
            client.send("POST", "auth/token/lookup", {"token": sent}).json["data"]["accessor"]
            == own["accessor"]
        )
    for sent in (other.token, vault_of(admin).token, "zz", "\u00e9"):
        refused = client.send("POST", "auth/token/lookup", {"token": sent})
        assert (refused.status, refused.json) == (403, {"errors": ["bad token"]})
