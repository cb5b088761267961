"""Responses to a touch: an incident, a notice, the end of the credential."""

from datetime import timedelta

import pytest
from django.test import Client

from accounts.models import ServiceAccount, ServiceToken, User
from canaries.documents import HOST, Exemption, Kind, Level, Status
from canaries.models import LogPosition
from canaries.sealed import journal
from canaries.sealed.store import changing, read_incidents
from canaries.services.editing import change_canary
from canaries.services.planting import plant_canary, remove_canary
from canaries.watching import watching
from tests.accounts.test_ended_credentials import oauth
from tests.canaries.officers import make_officer, with_factor
from tests.log_entries import log_rows
from tests.personas import PASSWORD, ApiClient

pytestmark = pytest.mark.django_db(transaction=True)
TEXT = {"algorithm": "aes-256-gcm", "data": "aGk="}


@pytest.fixture
def plant(sealed, key):
    def planted(kind=Kind.KEY, object_id=None, **options):
        return plant_canary(by=HOST, kind=kind, object_id=object_id or key["id"], note="", **options)

    return planted


def encrypt(api, key):
    return api.post("/api/v1/encrypt", {"key_id": key["id"], **TEXT})


def records():
    return [record for each in journal.read() for record in each.page.records]


def incidents():
    return read_incidents().incidents


def titles():
    """The titles of the notices."""
    return [record.facts["title"] for record in records() if record.word == "notice.written"]


def ended():
    """What quarantine ended, with the incident."""
    facts = [record.facts for record in records() if record.word == "credential.ended"]
    return [(each["incident"], each["ended"]) for each in facts]


def test_quarantine_ends_the_token_and_no_other_one(plant, key, token, developer, watch):
    plant(level=Level.QUARANTINE)
    stolen = ApiClient(token["token"])
    assert encrypt(stolen, key).status == 200
    watch()
    assert encrypt(stolen, key).status == 401
    assert ServiceToken.objects.get(pk=token["id"]).revoked_at
    assert encrypt(developer.api, key).status == 200
    assert [each.credential for each in incidents()] == [f"token:{token['id']}"]


def make_client(admin):
    """A service account with a token that it got for its secret, and the secret."""
    created = admin.api.post("/api/v1/service-accounts", {"name": "nightly", "role": "developer"}).json
    account = ServiceAccount.objects.get(pk=created["id"])
    oauth(account, created["client_secret"])
    return account, created["client_secret"]


def test_each_incident_ends_its_own_credential_once(plant, key, token, developer, admin, watch):
    client, _ = make_client(admin)  # its token is another issued one
    plant(level=Level.QUARANTINE)
    encrypt(ApiClient(token["token"]), key)
    encrypt(developer.api, key)
    for _ in range(2):
        watch()
    first, second = incidents()
    assert ended() == [(str(first.id), "token"), (str(second.id), "user")]
    assert "suspicious use" in log_rows().get(action="accounts.user.disabled").meta
    client.refresh_from_db()
    assert client.is_active


def test_a_closed_incident_ends_no_credential(plant, key, token, watch):
    plant()
    encrypt(ApiClient(token["token"]), key)
    watch()
    with changing() as change:
        [incident] = change.incidents.incidents
        incident.status, incident.proved_at = Status.CLOSED, change.at
    watch()
    assert ended() == []


def test_quarantine_does_not_wait_for_the_rest_of_a_backlog(plant, key, token, watch, monkeypatch):
    plant(level=Level.QUARANTINE)
    watch()
    assert encrypt(ApiClient(token["token"]), key).status == 200
    log_rows()
    batches = iter([watching.rows_after(LogPosition.objects.get().last_id)])
    monkeypatch.setattr(watching, "rows_after", lambda _: next(batches))  # the second call fails
    monkeypatch.setattr(watching, "MOST_ROWS", 1)
    with pytest.raises(StopIteration):
        watching.watch_log()
    assert [what for _, what in ended()] == ["token"]


def test_quarantine_of_a_used_client_secret_ends_its_account(plant, admin, watch):
    account, secret = make_client(admin)
    plant(Kind.CLIENT, account.id, level=Level.QUARANTINE)
    oauth(account, secret)
    watch()
    account.refresh_from_db()
    assert not account.is_active
    assert [what for _, what in ended()] == ["service_account"]


@pytest.mark.parametrize(("has_other", "result"), [(False, "sessions"), (True, "user")])
def test_quarantine_signs_the_last_officer_out(has_other, result, plant, admin, watch):
    officer, _ = make_officer("mira")
    if has_other:
        make_officer("noor")
    own = officer.api.post("/api/v1/keys", {"name": "own", "algorithm": "aes-256"}).json
    plant(object_id=own["id"], level=Level.QUARANTINE)
    encrypt(officer.api, own)
    watch()
    assert encrypt(officer.api, own).status == 401
    assert [what for _, what in ended()] == [result]
    assert User.objects.get(username="mira").is_active != has_other


def test_quarantine_disables_the_user_of_a_session(plant, key, developer, admin, watch):
    plant(level=Level.QUARANTINE)
    encrypt(developer.api, key)
    watch()
    assert encrypt(developer.api, key).status == 401
    assert not User.objects.get(username="dora").is_active


def test_quarantine_signs_the_last_administrator_out(plant, key, admin, watch):
    plant(level=Level.QUARANTINE)
    encrypt(admin.api, key)
    watch()
    assert encrypt(admin.api, key).status == 401
    assert User.objects.get(username="ada").is_active


def test_a_credential_that_cannot_be_ended_is_tried_again_after_a_minute(plant, key, developer, admin, watch):
    plant(level=Level.QUARANTINE)
    encrypt(developer.api, key)
    User.objects.filter(username="dora").update(row_mac="1.00000000.x")
    watch()
    first = incidents()[0].quarantine_failed_at
    assert titles().count("A credential could not be ended") == 1
    watch()
    assert incidents()[0].quarantine_failed_at == first
    with changing() as change:
        change.incidents.incidents[0].quarantine_failed_at -= timedelta(minutes=1)
    watch()
    assert incidents()[0].quarantine_failed_at > first
    assert titles().count("A credential could not be ended") == 1
    assert incidents()[0].quarantined_at is None


def test_officers_get_a_notice_of_changed_and_removed_canaries(plant):
    canary = plant()
    change_canary(by=HOST, canary_id=canary.id, level=Level.OBSERVE)
    remove_canary(by=HOST, canary_id=canary.id)
    assert titles() == ["The canary payroll was changed", "The canary payroll was removed"]


def test_expected_use_is_no_touch_up_to_its_rate(plant, key, token, watch):
    plant(exemptions=(Exemption(token_id=token["id"], operation="crypto.message.encrypted", per_hour=2),))
    decoy = ApiClient(token["token"])
    for _ in range(2):
        encrypt(decoy, key)
    watch()
    assert incidents() == []
    encrypt(decoy, key)
    watch()
    assert len(incidents()) == 1


@pytest.mark.parametrize(("password", "is_announced"), [(PASSWORD, True), ("a wrong password", False)])
def test_sign_in_of_a_planted_user_is_announced_with_the_right_password_only(
    password, is_announced, plant, stranger, watch
):
    user = User.objects.get(username="sten")
    plant(Kind.USER, user.id)
    ApiClient().post("/auth/login", {"username": "sten", "password": password})
    watch()
    [incident] = incidents()
    assert (incident.announced_at is not None) == is_announced


def test_the_right_password_of_a_planted_user_is_announced_without_the_code(plant, stranger, watch):
    persona, _ = with_factor(stranger)
    plant(Kind.USER, persona.user.id)
    Client().post("/login/", {"username": "sten", "password": PASSWORD})
    watch()
    [incident] = incidents()
    assert (incident.first.code, incident.announced_at is not None) == ("otp_required", True)


def test_a_notice_at_once_and_then_one_a_minute(plant, key, developer, watch):
    plant()
    for _ in range(2):
        encrypt(developer.api, key)
        watch()
    assert incidents()[0].announced_touches == 1
    with changing() as change:
        [incident] = change.incidents.incidents
        incident.announced_at -= timedelta(minutes=1)
    watch()
    assert incidents()[0].announced_touches == 2


def test_a_closed_incident_takes_no_further_touch(plant, key, developer, watch):
    plant()
    encrypt(developer.api, key)
    watch()
    with changing() as change:
        change.incidents.incidents[0].status = "closed"
    encrypt(developer.api, key)
    watch()
    assert [each.touches for each in incidents()] == [1, 1]
