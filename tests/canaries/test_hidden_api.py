"""The API of officers, each use case once through its endpoint."""

import json
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from accounts.models import TokenFamily
from canaries.services.offices import list_offices
from tests.canaries.officers import make_officer, with_factor
from tests.personas import make_persona

pytestmark = pytest.mark.django_db(transaction=True)

HERE = "/api/v1/canaries"


@pytest.fixture
def officer(sealed):
    return make_officer("mira")[0]


@pytest.fixture
def plant(officer, key):
    def new(**more):
        return officer.api.post(HERE, {"kind": "key", "object": "payroll", "note": "the wiki", **more})

    return new


def test_plant_change_and_remove_a_canary(officer, key, token, plant):
    expected = {"token_id": token["id"], "operation": "crypto.message.encrypted", "client_ip": "10.0.0.7"}
    planted = plant(exemptions=[expected])
    assert planted.status == 201, planted.json
    canary = planted.json
    assert canary["object_id"] == key["id"]
    assert (canary["planted_by"], canary["level"], canary["touched_at"]) == (
        str(officer.user.id),
        "alert",
        None,
    )
    assert canary["exemptions"][0]["client_ip"] == "10.0.0.7"
    url = planted.headers["Location"]
    changed = officer.api.patch(url, {"level": "quarantine", "note": "the CI"}).json
    assert (changed["level"], changed["note"]) == ("quarantine", "the CI")
    assert changed["exemptions"] == canary["exemptions"]
    refused = officer.api.patch(url, {"exemptions": [expected, expected | {"operation": "crypto.encrypt"}]})
    assert list(refused.json["errors"]) == ["exemptions.1.operation"]
    assert officer.api.get(url).json == changed
    assert officer.api.get(HERE).json["results"] == [changed]
    assert officer.api.delete(url).status == 204
    assert officer.api.get(HERE).json["count"] == 0
    assert officer.api.get(url).status == 404


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"kind": "office"}, "kind"),
        ({"level": "loud"}, "level"),
        ({"note": ""}, "note"),
        ({"note": "x" * 201}, "note"),
        ({"exemptions": [{"per_hour": 0}]}, "exemptions.0.per_hour"),
        ({"exemptions": [{"token_id": str(uuid4()), "operation": "crypto.x"}] * 9}, "exemptions"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_wrong_input_names_the_field(plant, sent, field):
    refused = plant(**sent)
    assert refused.status == 400
    assert field in refused.json["errors"]


def test_an_object_that_does_not_exist_is_refused(plant):
    assert plant(object="nothing").status == 404
    assert plant(object="00000000-0000-4000-8000-000000000000").status == 404


def test_an_incident_is_listed_and_decided(officer, key, plant, developer, watch):
    plant()
    developer.api.post("/api/v1/encrypt", {"key_id": key["id"], "algorithm": "aes-256-gcm", "data": "aGk="})
    watch()
    (incident,) = officer.api.get(f"{HERE}/incidents").json["results"]
    assert (incident["status"], incident["first"]["action"]) == ("new", "crypto.message.encrypted")
    assert officer.api.get(HERE).json["results"][0]["touched_at"] is not None
    url = f"{HERE}/incidents/{incident['id']}"
    decide = f"{url}/decision"
    assert officer.api.post(decide, {"status": "closed"}).status == 409
    assert officer.api.post(decide, {"status": "acknowledged"}).json["status"] == "acknowledged"
    refused = officer.api.post(decide, {"status": "false_alarm"})
    assert (refused.status, list(refused.json["errors"])) == (400, ["reason"])
    decided = officer.api.post(decide, {"status": "false_alarm", "reason": "our test"}).json
    assert (decided["reason"], decided["decided_by"]) == ("our test", str(officer.user.id))
    assert officer.api.post(decide, {"status": "closed"}).status == 200
    assert officer.api.get(url).json["reason"] == "our test"


def test_offices_are_appointed_confirmed_and_removed(officer):
    other, _ = make_officer("nils")
    third, _ = with_factor(make_persona("olga", "operator"))
    appointed = officer.api.post(f"{HERE}/offices", {"user": "olga"})
    assert appointed.status == 201
    url = f"{HERE}/offices/{third.user.id}"
    assert third.api.get(HERE).status == 404
    assert officer.api.post(f"{url}/confirm").status == 422
    assert other.api.post(f"{url}/confirm").status == 200
    assert [each["name"] for each in officer.api.get(f"{HERE}/offices").json["results"]] == [
        "mira",
        "nils",
        "olga",
    ]
    assert officer.api.delete(url).status == 204
    assert [office.name for office in list_offices()] == ["mira", "nils"]


def test_the_journal_is_read_from_its_end(officer, plant):
    plant()
    first = officer.api.get(f"{HERE}/journal?limit=1").json
    assert first["results"][0]["word"] == "canary.planted"
    words, following = [], f"{HERE}/journal?limit=1"
    while following:
        page = officer.api.get(following).json
        words += [record["word"] for record in page["results"]]
        following = page["next"]
    assert words[:3] == ["canary.planted", "notice.written", "office.appointed"]
    assert words[-1] == "journal.anchored"


def test_changes_need_a_recent_sign_in(officer, plant):
    for family in TokenFamily.objects.filter(user=officer.user):
        family.auth_time -= timedelta(minutes=11)
        family.save_with_mac()
    assert plant().code == "recent_auth_required"
    assert officer.api.get(HERE).status == 200


def test_the_schema_describes_these_endpoints_and_no_others(officer, capfd):
    """Without a warning, which a reader of the server's log would see."""
    capfd.readouterr()
    paths = officer.api.get(f"{HERE}/schema").json["paths"]
    assert capfd.readouterr() == ("", "")
    assert f"{HERE}/incidents/{{incident_id}}/decision" in paths
    assert all(path.startswith(HERE) for path in paths)
    assert not any("canaries" in path for path in officer.api.get("/api/schema/").json["paths"])


def test_channels_are_added_listed_tested_and_removed(officer, settings):
    settings.CC_NOTIFICATIONS = replace(
        settings.CC_NOTIFICATIONS, allowed_networks=("127.0.0.0/8", "::1/128")
    )
    added = officer.api.post(f"{HERE}/channels", {"kind": "webhook", "target": "https://127.0.0.1/x"})
    assert added.status == 201
    assert added.json["secret"].startswith("whsec_")
    [listed] = officer.api.get(f"{HERE}/channels").json["results"]
    assert (listed["name"], listed["waiting"], "secret" in listed) == ("webhook https://127.0.0.1", 1, False)
    url = f"{HERE}/channels/{listed['id']}"
    assert officer.api.post(f"{url}/test").status == 202
    assert officer.api.delete(url).status == 204
    assert officer.api.post(f"{url}/test").status == 404
    refused = officer.api.post(f"{HERE}/channels", {"kind": "webhook", "target": "http://127.0.0.1/x"})
    assert (refused.status, list(refused.json["errors"])) == (400, ["target"])


def test_the_journal_is_exported_as_lines(officer):
    exported = officer.api.post(f"{HERE}/journal/export")
    assert (exported.status, exported.headers["Content-Type"]) == (200, "application/jsonl")
    lines = [json.loads(line) for line in exported.raw.content.splitlines()]
    assert [line["page"] for line in lines] == [*range(1, len(lines) + 1)]
    assert lines[-1]["records"][-1]["word"] == "journal.exported"
    assert officer.api.get(f"{HERE}/journal/export").status == 405
