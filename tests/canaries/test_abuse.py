"""Attempts of an intruder: use a canary unseen, turn quarantine against others, stop the watcher."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from accounts.models import ServiceAccount, ServiceToken, User
from audit.log import refusals
from canaries.documents import HOST, Kind, Level
from canaries.sealed.store import read_incidents
from canaries.services.offices import list_offices
from canaries.services.planting import plant_canary
from kernel.crypto.encoding import encode_base64url
from tests.accounts.test_ended_credentials import oauth
from tests.browsing import signed_in
from tests.canaries.officers import make_officer
from tests.log_entries import log_rows
from tests.personas import ApiClient

pytestmark = pytest.mark.django_db(transaction=True)
TEXT = {"algorithm": "aes-256-gcm", "data": "aGk="}


@pytest.fixture
def canary(sealed, key):
    return plant_canary(by=HOST, kind=Kind.KEY, object_id=key["id"], note="", level=Level.QUARANTINE)


@pytest.fixture
def own(developer):
    """Another key of the developer, which is no canary."""
    return developer.api.post("/api/v1/keys", {"name": "orders", "algorithm": "aes-256"}).json


@pytest.fixture
def first_acts(watch):
    def found():
        watch()
        return [(each.first.action, each.first.outcome) for each in read_incidents().incidents]

    return found


def new_token(persona, *scopes):
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    return persona.api.post("/api/v1/tokens", {"name": "t", "scopes": scopes, "expires_at": tomorrow}).json


def test_a_canary_as_target_of_a_reencryption_is_touched(canary, key, own, developer, first_acts):
    text = developer.api.post("/api/v1/encrypt", {"key_id": own["id"], **TEXT}).json["ciphertext"]
    assert developer.api.post("/api/v1/reencrypt", {"ciphertext": text, "key_id": key["id"]}).status == 200
    assert first_acts() == [("crypto.message.reencrypted", "ok")]


def test_a_canary_as_target_of_a_refused_job_is_touched(canary, key, stranger, first_acts):
    mine = stranger.api.post("/api/v1/keys", {"name": "mine", "algorithm": "aes-256"}).json
    sent = {"key_id": mine["id"], "target_key_id": key["id"]}
    assert stranger.api.post("/api/v1/reencryptions", sent).status == 404
    assert first_acts() == [("keys.reencryption.begun", "denied")]


def test_a_refused_page_of_a_key_that_is_not_visible_is_a_touch(canary, stranger, first_acts):
    assert signed_in(stranger).post("/keys/payroll/export").status_code == 403
    assert first_acts() == [("keys.key.exported", "denied")]


@pytest.mark.parametrize("path", ["/keys/new?key_id={id}", "/keys/payroll/export"])
def test_a_link_ends_no_account(canary, key, auditor, watch, path):
    signed_in(auditor).get(path.format(id=key["id"]))
    watch()
    assert User.objects.get(pk=auditor.user.pk).is_active
    assert [each.quarantined_at for each in read_incidents().incidents] in ([], [None])


def test_a_forged_header_ends_no_token(canary, developer, first_acts):
    token = new_token(developer, "decrypt")
    forged = "cc1." + encode_base64url(bytes([1, 1]) + UUID(canary.object_id).bytes)
    assert ApiClient(token["token"]).post("/api/v1/decrypt", {"ciphertext": forged}).status == 400
    assert first_acts() == [("crypto.message.decrypted", "error")]
    assert ServiceToken.objects.get(pk=token["id"]).revoked_at is None


def test_quarantine_of_an_issued_token_ends_its_client(sealed, admin, watch):
    created = admin.api.post("/api/v1/service-accounts", {"name": "ci-runner", "role": "developer"}).json
    account = ServiceAccount.objects.get(pk=created["id"])
    client = ApiClient(json.loads(oauth(account, created["client_secret"]).content)["access_token"])
    key = client.post("/api/v1/keys", {"name": "old", "algorithm": "aes-256"}).json
    plant_canary(by=HOST, kind=Kind.KEY, object_id=key["id"], note="", level=Level.QUARANTINE)
    assert client.post("/api/v1/encrypt", {"key_id": key["id"], **TEXT}).status == 200
    watch()
    account.refresh_from_db()
    assert not account.is_active


def test_an_administrator_who_removes_a_planted_token_stays(sealed, developer, admin, watch):
    token = new_token(developer, "encrypt")
    plant_canary(by=HOST, kind=Kind.TOKEN, object_id=token["id"], note="", level=Level.QUARANTINE)
    assert admin.api.delete(f"/api/v1/tokens/{token['id']}").status == 204
    watch()
    [incident] = read_incidents().incidents
    assert incident.quarantined_at is None
    ApiClient(token["token"]).get("/api/v1/keys")
    watch()
    assert read_incidents().incidents[-1].quarantined_at


def test_strangers_are_one_incident_of_each_canary(canary, key, watch):
    for number in range(3):
        ApiClient().get(f"/api/v1/keys/{key['id']}", User_Agent=f"scanner {number}")
    refusals.flush()
    watch()
    [incident] = read_incidents().incidents
    assert incident.touches == 3


def test_the_log_does_not_name_what_an_officer_plants(sealed, key, developer):
    officer, _ = make_officer("mira")
    text = developer.api.post("/api/v1/encrypt", {"key_id": key["id"], **TEXT}).json["ciphertext"]
    sent = {"kind": "ciphertext", "object": key["id"], "note": text[:60], "key_id": key["id"]}
    officer.api.post("/api/v1/canaries", sent)
    assert set(log_rows().filter(action="api.request.refused").values_list("object_id", flat=True)) == {""}


def test_a_service_token_of_an_officer_suspends_the_office(sealed, watch):
    officer, _ = make_officer("mira", "admin")
    token = ApiClient(new_token(officer, "users.manage")["token"])
    assert token.patch(f"/api/v1/users/{officer.user.id}", {"email": "x@example.org"}).status == 200
    watch()
    assert list_offices()[0].is_suspended
