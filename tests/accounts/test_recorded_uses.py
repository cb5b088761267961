"""The first use of a service token from an address is on record, because reads leave no entry."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.origin import Origin
from accounts.service_accounts.services import accounts as service_accounts
from accounts.service_accounts.services import tokens as service_tokens
from accounts.tokens import recorded_uses
from tests.audit.conftest import log_out_of_reach
from tests.factories import KeyFactory, ServiceAccountFactory, TokenFactory
from tests.log_entries import log_rows
from tests.personas import ApiClient, b64

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

USED = "accounts.service_token.used"
SCOPES = ("keys.read", "keys.create", "crypto.encrypt", "crypto.inspect", "system.read")


@pytest.fixture(autouse=True)
def behind_a_proxy(settings):
    settings.CC_TRUSTED_PROXIES = 1


@pytest.fixture
def created(admin):
    account = ServiceAccountFactory(name="billing", role="admin")
    return TokenFactory(principal=admin.principal, account_id=account.id, scopes=SCOPES)


@pytest.fixture
def api(created):
    return ApiClient(created.text)


def read(api, address="192.0.2.1", path="/api/v1/keys"):
    return api.get(path, X_Forwarded_For=address)


def send(api, path, body, **headers):
    return api.post(f"/api/v1/{path}", body, X_Forwarded_For="192.0.2.1", **headers)


def uses():
    """The address and the request of each recorded use."""
    found = log_rows().filter(action=USED).order_by("id")
    return [(entry.client_ip, json.loads(entry.meta)["request"]) for entry in found]


def test_the_first_read_of_a_token_from_an_address_has_an_entry(api, created):
    response = api.get("/api/v1/keys", X_Forwarded_For="192.0.2.1", X_Request_ID="first")
    assert response.status == 200
    entry = log_rows().latest("id")
    owner = created.token.owner
    assert (entry.action, entry.outcome, entry.request_id) == (USED, "ok", "first")
    assert (entry.object_type, entry.object_id) == ("service_token", str(created.token.id))
    assert (entry.auth_method, entry.token_id) == ("service_token", str(created.token.id))
    assert (entry.actor_id, entry.actor_name, entry.client_ip) == (owner.id, "billing", "192.0.2.1")
    assert json.loads(entry.meta) == {"request": "keys.key.listed"}
    read(api, path="/api/v1/policies")
    read(api, "192.0.2.2")
    assert uses() == [("192.0.2.1", "keys.key.listed"), ("192.0.2.2", "keys.key.listed")]


def test_each_token_counts_for_itself(admin, api):
    other = TokenFactory(principal=admin.principal, scopes=["keys.read"])
    for caller in (api, ApiClient(other.text), admin.api):  # the last one has the access token of a session
        assert read(caller).status == 200
    names = log_rows().filter(action=USED).order_by("id").values_list("actor_name", flat=True)
    assert list(names) == ["billing", "ada"]


def test_a_token_of_client_credentials_counts(admin):
    account = service_accounts.create_service_account(
        principal=admin.principal, name="billing", role="developer"
    )
    issued, _ = service_tokens.issue_token(
        client_id=str(account.account.id),
        client_secret=account.client_secret,
        scopes=[],
        origin=Origin(client_ip="192.0.2.9", user_agent="tests", request_id="r"),
    )
    assert read(ApiClient(issued.text)).status == 200
    assert uses() == [("192.0.2.1", "keys.key.listed")]


def test_a_read_without_its_entry_is_refused_and_the_next_one_is_recorded(api):
    with log_out_of_reach():
        refused = read(api)
    assert (refused.status, refused.code) == (503, "audit_unavailable")
    assert read(api).status == 200
    assert uses() == [("192.0.2.1", "keys.key.listed")]


def test_an_entry_costs_a_transaction_and_later_requests_cost_no_statement(api):
    counts = []
    for address in ("192.0.2.9", "192.0.2.1", "192.0.2.1", "192.0.2.1"):  # the first one fills the caches
        with CaptureQueriesContext(connection) as statements:
            read(api, address, "/api/v1/policies")
        counts.append(len(statements))
    transaction = 5 if connection.vendor == "postgresql" else 4
    assert counts[1:] == [counts[3] + transaction, counts[3], counts[3]]


def test_refused_requests_have_their_own_entry_only(admin, api):
    limited = TokenFactory(principal=admin.principal, scopes=["keys.read"], networks=["198.51.100.0/24"])
    assert [read(ApiClient(limited.text)).status, read(api, path="/api/v1/users").status] == [403, 403]
    assert uses() == []


def test_operations_with_keys_have_their_own_entry_only(admin, api):
    key = KeyFactory(principal=admin.principal)
    sealed = send(api, "encrypt", {"key_id": str(key.id), "algorithm": "aes-256-gcm", "data": b64(b"x")})
    assert uses() == []
    response = send(api, "inspect", {"ciphertext": sealed.json["ciphertext"]})
    assert response.status == 200
    assert uses() == []


def test_a_replay_has_an_entry_like_a_read(api):
    sent = {"name": "payments", "algorithm": "aes-256"}
    assert send(api, "keys", sent, Idempotency_Key="k").status == 201
    recorded_uses._recorded.drop()
    assert send(api, "keys", sent, Idempotency_Key="k").headers["Idempotent-Replayed"] == "true"
    assert uses() == [("192.0.2.1", "keys.key.created")] * 2


def test_metrics_read_with_a_token_have_an_entry(api):
    assert read(api, path="/metrics").status == 200
    assert uses() == [("192.0.2.1", "service.metrics.read")]


@pytest.mark.parametrize(
    ("kept", "recorded"),
    [("full", ["192.0.2.1", "192.0.2.2"]), ("network", ["192.0.2.0"]), ("none", [""])],
)
def test_addresses_count_as_entries_have_them(api, settings, kept, recorded):
    settings.CC_AUDIT_ADDRESSES = kept
    for address in ("192.0.2.1", "192.0.2.2"):
        read(api, address)
    assert [address for address, _ in uses()] == recorded


# --- the memory of a process


def test_a_place_is_remembered_for_ten_minutes_from_its_entry():
    memory = recorded_uses._Recorded()
    memory.add(("t", "192.0.2.1"), 1000.0)
    assert memory.has(("t", "192.0.2.1"), 1599.9)
    assert not memory.has(("t", "192.0.2.1"), 1600.0)
    assert not memory.has(("t", "192.0.2.2"), 1000.0)
    assert not memory.has(("u", "192.0.2.1"), 1000.0)


def test_a_full_memory_forgets_the_oldest_entry(monkeypatch):
    monkeypatch.setattr(recorded_uses, "_MAX_PLACES", 2)
    memory = recorded_uses._Recorded()
    for at, token in enumerate(["a", "b", "a", "c"]):
        memory.add((token, ""), float(at))
    assert [memory.has((token, ""), 3.0) for token in "abc"] == [True, False, True]
