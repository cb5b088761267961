"""The pages of officers, each use case once through its form."""

from dataclasses import replace

import pytest

from accounts.models import BrowserSession
from canaries.documents import HOST, Kind, Status
from canaries.sealed.store import changing, read_incidents, read_set
from canaries.services import reading
from canaries.services.offices import appoint_officer, list_offices
from canaries.services.planting import plant_canary
from tests.accounts.test_pages_second_factor import make_old
from tests.browsing import plain
from tests.canaries.officers import browser_of, make_officer, with_factor
from tests.factories import ServiceAccountFactory
from tests.personas import make_persona

pytestmark = pytest.mark.django_db(transaction=True)

PLANT = {"object": "payroll", "note": "the wiki", "level": "alert"}
PLANT_KEY = "/canaries/plant/key/"


@pytest.fixture
def browser(sealed):
    return make_officer("mira")[1]


@pytest.fixture
def canary(sealed, key):
    return plant_canary(by=HOST, kind=Kind.KEY, object_id=key["id"], note="the wiki")


@pytest.fixture
def incident(canary, key, developer, watch):
    developer.api.post("/api/v1/encrypt", {"key_id": key["id"], "algorithm": "aes-256-gcm", "data": "aGk="})
    watch()
    return read_incidents().incidents[0]


def test_plant_change_and_remove_a_canary(browser, key):
    assert "No canaries yet" in plain(browser.get("/canaries/"))
    planted = browser.post(PLANT_KEY, PLANT)
    assert planted.status_code == 303
    url = planted["Location"]
    page = plain(browser.get(url))
    assert key["id"] in page
    assert "the wiki" in page
    assert "by mira" in page
    assert "payroll" in plain(browser.get("/canaries/"))
    assert browser.post(url, {"note": "the CI", "level": "observe"})["Location"] == url
    assert (read_set().canaries[0].note, read_set().canaries[0].level) == ("the CI", "observe")
    assert "Remove canary payroll?" in plain(browser.get(f"{url}remove"))
    assert browser.post(f"{url}remove")["Location"] == "/canaries/"
    assert read_set().canaries == []
    assert browser.get(url).status_code == 404


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ({"object": "nothing"}, "There is no object of this kind with this name or ID."),
        ({"note": ""}, "This field is required."),
        ({"note": "x\u200by"}, "U+200B"),
    ],
)
def test_wrong_input_is_shown_in_the_form(browser, key, sent, shown):
    response = browser.post(PLANT_KEY, PLANT | sent)
    assert response.status_code == 422
    assert shown in plain(response)
    assert read_set().canaries == []


def test_an_incident_shows_who_did_what_and_is_decided(browser, incident, developer):
    listed = plain(browser.get("/canaries/incidents/"))
    assert "dora" in listed
    url = f"/canaries/incidents/{incident.id}/"
    page = plain(browser.get(url))
    for part in (
        "payroll",
        "the wiki",
        "dora",
        "127.0.0.1",
        "Encrypt",
        "developer",
    ):
        assert part in page, part
    assert "End all sessions of the user" in page
    refused = browser.post(url, {"status": "false_alarm"})
    assert refused.status_code == 422
    assert "Give the reason" in plain(refused)
    assert browser.post(url, {"status": "confirmed"})["Location"] == url
    assert reading.get_incident(incident.id).status is Status.CONFIRMED
    assert browser.post(url, {"status": "acknowledged"}).status_code == 422
    assert "Required for a false alarm" not in plain(browser.get(url))
    assert browser.post(url, {"status": "closed"}).status_code == 303
    assert "Save decision" not in plain(browser.get(url))


def test_a_closed_drill_is_called_one(browser, incident):
    with changing() as change:
        drill = change.incidents.incidents[0]
        drill.credential, drill.status = "drill:x", Status.CLOSED
    assert "ByDrill" in plain(browser.get(f"/canaries/incidents/{incident.id}/"))
    assert "Drill 127.0.0.1" in plain(browser.get("/canaries/incidents/"))


@pytest.mark.parametrize("role", ["auditor", "developer"])
def test_the_account_of_a_credential_is_linked_for_those_who_may_see_it(incident, admin, role):
    account = ServiceAccountFactory(principal=admin.principal)
    _, browser = make_officer("nils", role)
    for credential, url, creator in (
        (incident.credential, f"/users/{incident.credential.partition(':')[2]}/", ""),
        (
            f"service_account:{account.id}",
            f"/service-accounts/{account.id}/",
            f", created by {admin.user.username}",
        ),
    ):
        with changing() as change:
            change.incidents.incidents[0].credential = credential
        page = browser.get(f"/canaries/incidents/{incident.id}/")
        assert (f'href="{url}"' in page.content.decode()) == (role == "auditor")
        assert browser.get(url).status_code == (200 if role == "auditor" else 403)
        assert creator in plain(page)


@pytest.mark.parametrize(
    "credential", ["unauthenticated:x", "host:", "drill:x", "token:4a3c1f0e-0d7a-4c6e-9a35-0c2f7f0a1b2c"]
)
def test_an_incident_of_another_credential_is_shown_too(browser, incident, credential):
    with changing() as change:
        change.incidents.incidents[0].credential = credential
    assert browser.get(f"/canaries/incidents/{incident.id}/").status_code == 200


def test_appoint_confirm_and_remove_officers(browser, sealed):
    _, second = make_officer("nils")
    third, _ = with_factor(make_persona("olga", "operator"))
    assert browser.post("/canaries/offices/", {"user": "olga"}).status_code == 303
    assert "Waiting" in plain(browser.get("/canaries/offices/"))
    refused = browser.post("/canaries/offices/", {"confirm": str(third.user.id)})
    assert "You appointed this officer" in plain(refused)
    assert second.post("/canaries/offices/", {"confirm": str(third.user.id)}).status_code == 303
    assert "Waiting" not in plain(browser.get("/canaries/offices/"))
    third.user.refresh_from_db()
    third.user.save_with_mac()  # a change without an entry
    assert "Account changed" in plain(browser.get("/canaries/offices/"))
    assert second.post("/canaries/offices/", {"confirm": str(third.user.id)}).status_code == 303
    assert "Account changed" not in plain(browser.get("/canaries/offices/"))
    assert browser.post("/canaries/offices/", {"remove": str(third.user.id)}).status_code == 303
    assert [office.name for office in list_offices()] == ["mira", "nils"]
    assert browser.post("/canaries/offices/", {"confirm": "nobody"}).status_code == 422


def test_a_form_without_the_token_of_the_session_is_refused(sealed, key):
    persona, authenticator = with_factor(make_persona("mira", "developer"))
    browser = browser_of(persona, authenticator)
    appoint_officer(by=HOST, user_id=persona.user.id)
    browser.handler.enforce_csrf_checks = True
    assert browser.post(PLANT_KEY, PLANT).status_code == 403
    assert read_set().canaries == []
    token = browser.get("/canaries/").context["csrf_token"]
    assert browser.post(PLANT_KEY, PLANT | {"csrfmiddlewaretoken": str(token)}).status_code == 303


def test_changes_need_a_recent_sign_in_and_pages_say_so(browser, key):
    make_old(browser)
    assert "Confirm your identity" in plain(browser.get(PLANT_KEY))
    assert browser.post(PLANT_KEY, PLANT)["Location"] == "/reauth/?next=%2Fcanaries%2Fplant%2Fkey%2F"
    assert read_set().canaries == []


def test_nothing_is_kept_in_the_session(browser, canary):
    before = dict(browser.session)
    browser.post(f"/canaries/{canary.id}/", {"note": "the CI", "level": "observe"})
    browser.post(f"/canaries/{canary.id}/", {"note": "", "level": "observe"})
    browser.get("/canaries/")
    after = dict(browser.session)
    for each in (before, after):
        each.pop("seen_at")
        each.pop("_session_expiry")
    assert after == before
    assert BrowserSession.objects.count() == 1


def test_messages_of_other_pages_stay_for_them(browser):
    browser.post("/account/sessions/", {"session": "others"})
    assert "Signed out of" not in plain(browser.get("/canaries/"))
    assert "Signed out of" in plain(browser.get("/home/"))


def test_htmx_gets_the_part_that_it_asks_for(browser):
    headers = {"HX-Request": "true", "HX-Target": "page"}
    response = browser.get("/canaries/", headers=headers)
    assert response.content.decode().startswith("<title>")
    assert "HX-Target" in response["Vary"]


def test_pages_of_officers_are_as_long_as_those_of_others(browser):
    """So sizes in the log of a proxy show no officer."""
    other = browser_of(*with_factor(make_persona("noor", "developer")))
    for path in ("/keys/", "/account/mfa/", "/nowhere/"):
        ours, theirs = browser.get(path).content.decode(), other.get(path).content.decode()
        assert ('href="/canaries/"' in ours, 'href="/canaries/"' in theirs) == (True, False)
        assert len(ours) == len(theirs), path


@pytest.mark.parametrize(
    ("kind", "named", "is_credential"),
    [
        ("key", "the key,", False),
        ("ciphertext", "the key,", False),
        ("service_token", "the service token,", True),
        ("client_secret", "the service account,", True),
        ("user", "the user,", True),
    ],
)
def test_each_kind_has_a_page_with_steps(browser, key, kind, named, is_credential):
    page = plain(browser.get(f"/canaries/plant/{kind}/"))
    assert "1. Create the object" in page
    assert "3. Make it a canary" in page
    assert f"Name or ID of {named}" in page
    assert ("It works for anyone who finds it" in page) == is_credential


def test_offices_and_unknown_kinds_are_not_planted(browser):
    assert {browser.get(f"/canaries/plant/{kind}/").status_code for kind in ("office", "rumour")} == {404}


def test_names_like_existing_ones_are_suggested(browser, developer):
    for name in ("orders-db", "orders-api", "invoices-db"):
        developer.api.post("/api/v1/keys", {"name": name, "algorithm": "aes-256"})
    assert "invoices-api" in plain(browser.get(PLANT_KEY))


def test_a_channel_is_added_tested_and_removed(browser, settings):
    settings.CC_NOTIFICATIONS = replace(
        settings.CC_NOTIFICATIONS, allowed_networks=("127.0.0.0/8", "::1/128")
    )
    added = plain(browser.post("/canaries/channels/", {"kind": "webhook", "target": "https://127.0.0.1/x"}))
    [channel] = read_set().channels
    assert "shown only now" in added
    assert "whsec_" in added
    assert "whsec_" not in plain(browser.get("/canaries/channels/"))
    assert browser.post("/canaries/channels/", {"test": str(channel.id)}).status_code == 303
    assert {notice.topic for notice in read_incidents().notices} == {"channel.added", "channel.test"}
    assert browser.post("/canaries/channels/", {"remove": str(channel.id)}).status_code == 303
    assert read_set().channels == []
    assert browser.post("/canaries/channels/", {"remove": str(channel.id)}).status_code == 404
    assert browser.post("/canaries/channels/", {"remove": "x"}).status_code == 404


def test_a_channel_that_cannot_be_used_is_refused_in_the_form(browser):
    response = browser.post("/canaries/channels/", {"kind": "syslog", "target": "tcp://127.0.0.1:514"})
    assert response.status_code == 422
    assert "Use a URL that begins with" in plain(response)
