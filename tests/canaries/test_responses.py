"""Responses to a touch: an incident, a notice, the end of the credential."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import ServiceToken, User
from canaries.documents import HOST, Exemption, Kind, Level
from canaries.sealed import journal
from canaries.sealed.store import changing, read_incidents
from canaries.services.editing import change_canary
from canaries.services.planting import plant_canary, remove_canary
from tests.personas import PASSWORD, ApiClient

pytestmark = pytest.mark.django_db(transaction=True)
TEXT = {"algorithm": "aes-256-gcm", "data": "aGk="}


@pytest.fixture
def token(developer):
    """A service token of the developer."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    body = {"name": "deploy", "scopes": ["encrypt"], "expires_at": tomorrow}
    created = developer.api.post("/api/v1/tokens", body)
    assert created.status == 201, created.json
    return created.json


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


def test_quarantine_ends_the_token_and_no_other_one(plant, key, token, developer, watch):
    plant(level=Level.QUARANTINE)
    stolen = ApiClient(token["token"])
    assert encrypt(stolen, key).status == 200
    watch()
    assert encrypt(stolen, key).status == 401
    assert ServiceToken.objects.get(pk=token["id"]).revoked_at
    assert encrypt(developer.api, key).status == 200
    assert [each.credential for each in incidents()] == [f"token:{token['id']}"]


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
    watch()
    assert incidents()[0].quarantine_failed_at == first
    with changing() as change:
        change.incidents.incidents[0].quarantine_failed_at -= timedelta(minutes=1)
    watch()
    assert incidents()[0].quarantine_failed_at > first
    assert [record for record in records() if record.facts.get("topic") == "quarantine.failed"][1:] == []
    assert incidents()[0].quarantined_at is None


def test_officers_get_a_notice_of_changed_and_removed_canaries(plant):
    canary = plant()
    change_canary(by=HOST, canary_id=canary.id, level=Level.OBSERVE)
    remove_canary(by=HOST, canary_id=canary.id)
    titles = [record.facts["title"] for record in records() if record.word == "notice.written"]
    assert titles == ["The canary payroll was changed", "The canary payroll was removed"]


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
