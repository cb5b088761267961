"""Passkeys: the options sent to a device, the checks of its response, and the audit events."""

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client

from accounts import actions
from accounts.errors import SessionEnded
from accounts.models import BrowserSession, Passkey
from accounts.second_factors.services import passkeys
from accounts.users.services import editing
from audit.models import AuditTrail
from kernel.clock import process_now
from kernel.http.addresses import passkey_origin
from tests.accounts.soft_passkey import ORIGIN, PRESENT, SoftPasskey
from tests.accounts.test_browser_sessions import is_inside, sign_in
from tests.accounts.test_pages_second_factor import make_old
from tests.accounts.test_totp import enrol
from tests.endpoints import make_passkey
from tests.log_entries import log_rows
from tests.personas import PASSWORD

pytestmark = pytest.mark.django_db

HERE = {"host": "localhost:8000"}  # the only address where passkeys work


@pytest.fixture(autouse=True)
def at_localhost(settings):
    settings.OTP_WEBAUTHN_RP_ID, settings.OTP_WEBAUTHN_ALLOWED_ORIGINS = "localhost", [ORIGIN]


@pytest.fixture
def browser(developer):
    return sign_in(developer)


def add(browser, device, name="telephone"):
    options = browser.post("/account/passkeys/new/", {"name": name}, headers=HERE).json()
    sent = {"name": name, "credential": device.create(options)}
    return options, browser.post("/account/passkeys/new/", sent, headers=HERE)


@pytest.fixture
def device(browser):
    made = SoftPasskey()
    _, response = add(browser, made)
    assert (response.status_code, response["Location"]) == (303, "/account/passkeys/")
    return made


def sign_in_with(device, browser=None, **more):
    browser = browser or Client()
    options = browser.post("/login/passkey/", more).json()
    return options, browser.post("/login/passkey/", {"credential": device.get(options), **more})


def after_password(persona):
    browser = Client()
    sent = {"username": persona.user.username, "password": PASSWORD}
    assert browser.post("/login/", sent)["Location"].startswith("/login/code/")
    return browser


def entries(action):
    return list(log_rows().filter(action=action))


# --- adding a passkey


def test_a_new_passkey_requires_user_verification_and_is_stored_with_its_mac(browser, developer):
    device = SoftPasskey()
    options, _ = add(browser, device)
    asked = options["authenticatorSelection"]
    assert (asked["userVerification"], asked["residentKey"]) == ("required", "required")
    assert options["rp"] == {"id": "localhost", "name": "CipherCanary"}
    passkey = Passkey.objects.get()
    passkey.check_mac()
    assert (passkey.user, passkey.name, bytes(passkey.credential_id)) == (
        developer.user,
        "telephone",
        device.credential_id,
    )
    (entry,) = entries(actions.PASSKEY_ADDED)
    assert entry.user_id == developer.user.id
    assert AuditTrail.objects.get(event_id=entry.event_id).table_name == "passkeys"


def test_adding_asks_for_a_recent_sign_in(browser):
    make_old(browser)
    there = "/reauth/?next=%2Faccount%2Fpasskeys%2Fnew%2F"
    assert browser.get("/account/passkeys/new/")["Location"] == there
    assert browser.post("/account/passkeys/new/", {"name": "x"})["Location"] == there


def test_without_user_verification_nothing_is_accepted(browser, device):
    _, response = add(browser, SoftPasskey(flags=PRESENT))
    assert response.status_code == 422
    assert Passkey.objects.count() == 1
    device.flags = PRESENT
    _, response = sign_in_with(device)
    assert response.status_code == 401


def test_a_response_to_other_options_adds_nothing(browser):
    device = SoftPasskey()
    options = browser.post("/account/passkeys/new/").json()
    browser.post("/account/passkeys/new/")  # starts again: the first challenge is discarded
    response = browser.post("/account/passkeys/new/", {"name": "x", "credential": device.create(options)})
    assert response.status_code == 422
    assert not Passkey.objects.exists()


@pytest.mark.parametrize(
    "credential",
    ["x", "[]", "{}", "1", '{"id":1,"rawId":2,"type":3,"response":4}', '{"response":{}}', "[" * 20000],
)
def test_a_malformed_passkey_response_is_refused(browser, credential):
    browser.post("/account/passkeys/new/")
    assert browser.post("/account/passkeys/new/", {"name": "x", "credential": credential}).status_code == 422
    stranger = Client()
    stranger.post("/login/passkey/")
    assert stranger.post("/login/passkey/", {"credential": credential}).status_code == 401


def test_the_same_passkey_is_not_added_twice_nor_by_another(browser, device, stranger):
    for somebody in (browser, sign_in(stranger)):
        _, response = add(somebody, device)
        assert response.status_code == 422
    assert Passkey.objects.count() == 1


def test_the_number_of_passkeys_is_limited(browser, device, monkeypatch):
    monkeypatch.setattr("accounts.second_factors.services.passkeys.MOST", 1)
    _, response = add(browser, SoftPasskey())
    assert b"You already have 1 passkeys" in response.content


def test_adding_counts_as_late_after_five_minutes(browser):
    device = SoftPasskey()
    options = browser.post("/account/passkeys/new/").json()
    session = browser.session
    session["new_passkey"] = [session["new_passkey"][0], "2020-01-01T00:00:00+00:00"]
    session.save()
    sent = {"name": "x", "credential": device.create(options)}
    response = browser.post("/account/passkeys/new/", sent, headers=HERE)
    assert b"timed out" in response.content
    assert not Passkey.objects.exists()


# --- signing in


def test_it_signs_in_without_a_password(device, developer):
    browser = Client()
    options, response = sign_in_with(device, browser)
    assert "allowCredentials" not in options or options["allowCredentials"] == []
    assert options["userVerification"] == "required"
    assert (response.status_code, response["Location"]) == (303, "/home/")
    assert is_inside(browser)
    (used,) = entries(actions.PASSKEY_USED)
    assert json.loads(used.meta)["passkey"] == str(Passkey.objects.get().id)
    assert used.auth_method == "passkey"
    assert Passkey.objects.get().sign_count == 1
    assert Passkey.objects.get().last_used_at is not None


def test_it_counts_as_both_factors(device, developer):
    enrol(developer)
    _, response = sign_in_with(device)
    assert response["Location"] == "/home/"


def test_it_is_the_second_factor_after_the_password(device, developer):
    enrol(developer)
    browser = after_password(developer)
    assert b"Use a passkey instead" in browser.get("/login/code/", headers=HERE).content
    options, response = sign_in_with(device, browser, second="1")
    assert len(options["allowCredentials"]) == 1
    assert response["Location"] == "/home/"
    assert entries(actions.PASSKEY_USED)[0].auth_method == "password+passkey"


def test_another_users_passkey_is_no_second_factor(device, developer, stranger):
    enrol(stranger)
    _, response = sign_in_with(device, after_password(stranger), second="1")
    assert response.status_code == 401


def test_a_passkey_as_second_factor_requires_the_password_first(device):
    assert Client().post("/login/passkey/", {"second": "1"}).status_code == 401


def test_a_response_serves_once(device):
    browser = Client()
    options = browser.post("/login/passkey/").json()
    credential = device.get(options)
    assert browser.post("/login/passkey/", {"credential": credential}).status_code == 303
    assert browser.post("/login/passkey/", {"credential": credential}).status_code == 401
    assert Client().post("/login/passkey/", {"credential": credential}).status_code == 401


def test_a_response_of_another_origin_opens_nothing(device):
    device.origin = "https://evil.example"
    assert sign_in_with(device)[1].status_code == 401
    device.origin, device.rp_id = ORIGIN, "evil.example"
    assert sign_in_with(device)[1].status_code == 401


def test_another_key_opens_nothing(device):
    forged = SoftPasskey(credential_id=device.credential_id, user_handle=device.user_handle, count=5)
    assert sign_in_with(forged)[1].status_code == 401


def test_an_unknown_passkey_opens_nothing(device):
    assert sign_in_with(SoftPasskey(user_handle=device.user_handle))[1].status_code == 401


def test_a_counter_that_does_not_grow_is_a_copy(device):
    assert sign_in_with(device)[1].status_code == 303
    device.count = 0
    assert sign_in_with(device)[1].status_code == 401


def test_the_device_must_name_the_owner(device):
    device.user_handle = ""
    assert sign_in_with(device)[1].status_code == 401


def test_a_disabled_user_is_out(device, developer):
    call_command("update_user", developer.user.username, "--disable")
    assert sign_in_with(device)[1].status_code == 401


def test_a_password_that_was_changed_since_is_no_first_factor(device, developer):
    enrol(developer)
    browser = after_password(developer)
    editing.sign_out_everywhere(principal=developer.principal, user_id=developer.user.id)
    _, response = sign_in_with(device, browser, second="1")
    assert response.status_code == 401
    assert not is_inside(browser)


def test_a_public_key_changed_by_hand_is_not_believed(device):
    other = SoftPasskey(credential_id=device.credential_id, user_handle=device.user_handle)
    numbers = other.key.public_key().public_numbers()
    Passkey.objects.update(public_key=numbers.x.to_bytes(32, "big"))
    browser = Client(raise_request_exception=False)
    assert sign_in_with(other, browser)[1].status_code == 503
    assert not is_inside(browser)


def test_a_sign_in_over_a_page_is_announced_to_htmx(device):
    browser = Client()
    options = browser.post("/login/passkey/").json()
    credential = device.get(options)
    response = browser.post("/login/passkey/", {"credential": credential}, headers={"HX-Request": "true"})
    assert response.status_code == 204
    assert "cc:signed-in" in response["HX-Trigger"]


def test_an_old_challenge_opens_nothing(device):
    browser = Client()
    options = browser.post("/login/passkey/").json()
    session = browser.session
    session["passkey_log_in"] = [
        session["passkey_log_in"][0],
        (process_now() - timedelta(minutes=6)).isoformat(),
    ]
    session.save()
    assert browser.post("/login/passkey/", {"credential": device.get(options)}).status_code == 401


# --- the list


def test_the_list_names_them_and_where_they_work(browser, device):
    here = browser.get("/account/passkeys/", headers=HERE).content.decode()
    assert "telephone" in here
    assert "Add a passkey" in here
    elsewhere = browser.get("/account/passkeys/").content.decode()
    assert "Add a passkey" not in elsewhere
    assert f'open <a href="{ORIGIN}">' in elsewhere


def submit(browser, **sent):
    return browser.post("/account/passkeys/", {"passkey": str(Passkey.objects.get().id), **sent})


def test_one_gets_another_name(browser, device):
    assert submit(browser, operation="rename", name="  old telephone ").status_code == 303
    assert Passkey.objects.get().check_mac().name == "old telephone"
    assert len(entries(actions.PASSKEY_RENAMED)) == 1
    refused = submit(browser, operation="rename", name="")
    assert refused.status_code == 422
    assert b"Enter a name for the passkey" in refused.content


def test_a_removed_passkey_does_not_sign_in(browser, device):
    assert submit(browser, operation="remove").status_code == 303
    assert sign_in_with(device)[1].status_code == 401
    assert len(entries(actions.PASSKEY_REMOVED)) == 1
    assert is_inside(browser)


def test_removing_asks_for_a_recent_sign_in(browser, device):
    make_old(browser)
    assert submit(browser, operation="remove")["Location"].startswith("/reauth/")
    assert Passkey.objects.count() == 1


def test_another_users_passkey_is_neither_shown_nor_changed(device, stranger):
    other = sign_in(stranger)
    for sent in ({"operation": "remove"}, {"operation": "rename", "name": "mine"}):
        assert submit(other, **sent).status_code == 422
    assert "telephone" not in other.get("/account/passkeys/").content.decode()


def test_the_api_lists_and_removes(device, developer, stranger):
    other = make_passkey(stranger.user)
    (found,) = developer.api.get("/auth/passkeys").json["results"]
    assert (found["name"], found["last_used_at"]) == ("telephone", None)
    assert set(found) == {"id", "name", "created_at", "last_used_at"}
    assert developer.api.delete(f"/auth/passkeys/{found['id']}").status == 204
    assert developer.api.get("/auth/passkeys").json["results"] == []
    assert Passkey.objects.get() == other


def test_an_operator_takes_all_away(device, developer, capsys):
    call_command("remove_passkeys", developer.user.username)
    assert "1 passkey removed" in capsys.readouterr().out
    assert sign_in_with(device)[1].status_code == 401


def test_an_administrator_whose_session_has_ended_takes_none_away(device, developer, admin):
    editing.sign_out_everywhere(principal=admin.principal, user_id=admin.user.id)
    with pytest.raises(SessionEnded):
        passkeys.remove_passkeys_of(principal=admin.principal, user_id=developer.user.id)
    assert Passkey.objects.exists()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://kms.example.org", ("https://kms.example.org", "kms.example.org")),
        ("https://kms.example.org:443", ("https://kms.example.org", "kms.example.org")),
        ("https://kms.example.org:8443", ("https://kms.example.org:8443", "kms.example.org")),
        ("http://127.0.0.1:8000", ("http://localhost:8000", "localhost")),
        ("http://kms.test:80", ("http://localhost", "localhost")),
    ],
)
def test_the_one_origin_of_passkeys(url, expected):
    assert passkey_origin(url) == expected


def test_the_next_ceremony_deletes_expired_ones(db):
    for _ in range(3):
        assert Client().post("/login/passkey/").status_code == 200
    BrowserSession.objects.update(expire_date=process_now() - timedelta(minutes=1))
    assert Client().post("/login/passkey/").status_code == 200
    assert BrowserSession.objects.count() == 1
