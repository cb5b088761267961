"""The first administrator is created through a single-use link that expires after 15 minutes."""

import io
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from accounts import actions
from accounts.errors import AlreadySetUp, SetupLinkInvalid
from accounts.models import SetupLink, User, links
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.roles import ROLES
from accounts.sign_in import services as sign_in
from accounts.users import link_codes
from accounts.users.services import set_up as users
from audit.log.events import Source
from audit.log.refusals import flush
from audit.models import AuditLog, AuditTrail
from kernel.errors import Denied, Invalid
from kernel.identities import Identity
from kernel.observability.logs import redact
from kernel.trust.row_mac import IntegrityFailed
from tests.log_entries import log_rows
from tests.personas import PASSWORD

SYSTEM = Principal.system("test", Source.COMMAND)
ORIGIN = Origin(client_ip="127.0.0.1", user_agent="tests", request_id="test", source=Source.CONSOLE)
GOOD = {"username": "admin", "password": PASSWORD}


@pytest.fixture
def code(db):
    return users.issue_setup_link(principal=SYSTEM)


@pytest.fixture
def browser():
    return Client(raise_request_exception=False)


def set_up(code, **changes):
    return users.create_first_admin(code=code, origin=ORIGIN, **(GOOD | changes))


def let_it_expire():
    link = SetupLink.objects.get()
    link.expires_at -= link_codes.SETUP_LIFE
    link.save_with_mac()


# --- the link


def test_the_database_knows_the_code_by_its_hash_only(code):
    stored = json.dumps(
        [list(model.objects.values()) for model in (SetupLink, AuditLog, AuditTrail)], default=str
    )
    assert code not in stored
    assert links.digest(code) in stored


def test_making_a_link_is_on_record_with_its_end(code):
    entry = log_rows().get(action=actions.SETUP_LINK_ISSUED)
    assert (entry.actor_type, entry.source, list(json.loads(entry.meta))) == (
        "system",
        "command",
        ["expires_at"],
    )


def test_it_makes_an_administrator_once(code):
    user = set_up(code, username="Mira")
    assert (user.username, user.role, user.is_active) == ("mira", "admin", True)
    assert sign_in.check_password(username="mira", password=PASSWORD) == user
    assert not SetupLink.objects.exists()
    with pytest.raises(AlreadySetUp):
        set_up(code, username="another")
    entry = log_rows().get(action=actions.USER_CREATED)
    assert (entry.actor_type, entry.source, entry.client_ip) == ("anonymous", "console", "127.0.0.1")


def test_a_code_that_is_not_ours_makes_no_one(code):
    for wrong in (link_codes.new_code(), code[:-1], ""):
        with pytest.raises(SetupLinkInvalid):
            set_up(wrong)
    assert not User.objects.exists()


def test_no_code_creates_a_user_without_a_link(db):
    for wrong in (link_codes.new_code(), ""):
        with pytest.raises(SetupLinkInvalid):
            set_up(wrong)


def test_the_link_expires_after_a_quarter_of_an_hour(code):
    let_it_expire()
    with pytest.raises(SetupLinkInvalid):
        users.check_setup_link(code)
    with pytest.raises(SetupLinkInvalid):
        set_up(code)


def test_a_new_link_ends_the_one_before(code):
    newer = users.issue_setup_link(principal=SYSTEM)
    with pytest.raises(SetupLinkInvalid):
        set_up(code)
    assert set_up(newer).role == "admin"


def test_refused_input_leaves_the_set_up_link_valid(code):
    for changes in ({"password": "short"}, {"password": "password1234"}, {"username": "two words"}):
        with pytest.raises(Invalid):
            set_up(code, **changes)
    assert not User.objects.exists()
    assert set_up(code).role == "admin"


def test_an_account_of_any_role_ends_the_links(code, auditor):
    with pytest.raises(AlreadySetUp):
        users.issue_setup_link(principal=SYSTEM)
    with pytest.raises(AlreadySetUp):
        users.check_setup_link(code)
    with pytest.raises(AlreadySetUp):
        set_up(code)


def test_links_are_the_applications_to_make(db):
    nobody = Principal(
        actor=ORIGIN.anonymous(), identity=Identity.SYSTEM, rights=ROLES["auditor"], permissions=frozenset()
    )
    with pytest.raises(Denied):
        users.issue_setup_link(principal=nobody)


def test_write_access_to_the_database_creates_no_administrator(code):
    """Without the MAC, it would suffice to delete the users and store the hash of an invented code."""
    own = link_codes.new_code()
    SetupLink.objects.update(code_hash=links.digest(own))
    with pytest.raises(IntegrityFailed):
        set_up(own)


@pytest.mark.django_db(transaction=True)
def test_one_of_two_simultaneous_set_ups_succeeds():
    code = users.issue_setup_link(principal=SYSTEM)
    start = threading.Barrier(2)

    def use(name):
        start.wait(60)
        try:
            return set_up(code, username=name).username
        except (AlreadySetUp, SetupLinkInvalid):
            return "refused"
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        results = sorted(pool.map(use, ["a1", "b1"]))
    assert results[1] == "refused"
    assert [user.username for user in User.objects.all()] == results[:1]


def test_the_log_takes_a_code_for_a_credential():
    code = link_codes.new_code()
    assert code not in redact(f"GET /setup/{code}/ failed")


# --- the command


def test_the_command_prints_a_link(db, settings):
    out = io.StringIO()
    call_command("setup_link", stdout=out)
    link = out.getvalue().strip()
    assert link.startswith(f"{settings.CC_PUBLIC_URL}/setup/")
    assert set_up(link.split("/")[-2]).role == "admin"


def test_the_command_refuses_a_link_when_an_account_exists(auditor):
    with pytest.raises(CommandError, match="create_user"):
        call_command("setup_link")


# --- the pages


def test_before_there_is_an_account_every_way_in_shows_where_the_link_is(browser, db):
    assert browser.get("/")["Location"] == "/setup/"
    assert browser.get("/keys/")["Location"] == "/login/?next=%2Fkeys%2F"
    assert browser.get("/login/")["Location"] == "/setup/"
    page = browser.get("/setup/")
    assert page.status_code == 200
    assert b"bin/manage setup_link" in page.content


def test_the_root_leads_to_where_one_can_do_something(browser, auditor):
    assert browser.get("/")["Location"] == "/login/"
    browser.post("/login/", {"username": "aude", "password": PASSWORD})
    assert browser.get("/")["Location"] == "/home/"


def test_the_link_opens_a_form_with_a_name_in_it(browser, code):
    response = browser.get(f"/setup/{code}/")
    assert response.status_code == 200
    assert 'value="admin"' in response.content.decode()
    assert "12 to 128 characters" in response.content.decode()
    assert (response["Referrer-Policy"], response["Cache-Control"]) == ("same-origin", "no-store")


def test_setting_up_signs_in_and_leads_to_the_first_key(browser, code):
    response = browser.post(f"/setup/{code}/", GOOD)
    assert (response.status_code, response["Location"]) == (303, "/setup/first-key/")
    assert browser.get("/setup/first-key/").status_code == 200
    entry = log_rows().get(action=actions.SESSION_OPENED)
    assert (entry.actor_name, entry.source, entry.auth_method) == ("admin", "console", "password")


def test_afterwards_the_pages_are_not_there(browser, code):
    Client().post(f"/setup/{code}/", GOOD)
    for path in ("/setup/", f"/setup/{code}/", f"/setup/{link_codes.new_code()}/"):
        assert browser.get(path).status_code == 404
    assert browser.post(f"/setup/{code}/", GOOD | {"username": "another"}).status_code == 404
    assert User.objects.count() == 1


def test_a_link_that_opens_nothing_shows_how_to_get_another(browser, code):
    let_it_expire()
    for path in (f"/setup/{code}/", f"/setup/{link_codes.new_code()}/", f"/setup/{code[:30]}/"):
        response = browser.get(path)
        assert response.status_code == 404
        assert b"bin/manage setup_link" in response.content
        assert browser.post(path, GOOD).status_code == 404
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"password": "short"}, "password"),
        ({"password": "password1234"}, "password"),
        ({"password": ""}, "password"),
        ({"username": "two words"}, "username"),
        ({"username": ""}, "username"),
    ],
)
def test_an_error_is_shown_at_its_field_and_the_form_keeps_the_username_alone(browser, code, changes, field):
    response = browser.post(f"/setup/{code}/", {"username": "mira", "password": PASSWORD} | changes)
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    content = response.content.decode()
    assert ('value="mira"' in content) == (field == "password")
    assert PASSWORD not in content
    assert 'value="short"' not in content
    assert not User.objects.exists()


def test_the_address_is_throttled(browser, code, settings):
    settings.CC_THROTTLE_AUTH = "2/day"
    statuses = [browser.post(f"/setup/{code}/", {"username": "", "password": ""}) for _ in range(3)]
    assert [response.status_code for response in statuses] == [422, 422, 429]
    assert statuses[-1]["Retry-After"]


def test_the_form_asks_for_its_csrf_token(code):
    assert Client(enforce_csrf_checks=True).post(f"/setup/{code}/", GOOD).status_code == 403
    assert not User.objects.exists()


def test_neither_the_record_nor_the_log_names_the_code(browser, code, caplog):
    with caplog.at_level(logging.DEBUG):
        browser.get(f"/setup/{code}/")
        browser.post(f"/setup/{code}/", {"username": "", "password": ""})
        browser.post(f"/setup/{code}/", GOOD | {"password": "short"})
        browser.put(f"/setup/{code}/")
        Client(enforce_csrf_checks=True).post(f"/setup/{code}/", GOOD)
        browser.post(f"/setup/{code}/", GOOD)
    flush()
    assert log_rows().exclude(outcome="ok").exists()
    recorded = json.dumps([list(model.objects.values()) for model in (AuditLog, AuditTrail)], default=str)
    assert code not in recorded
    assert code not in redact(caplog.text)


def test_a_link_ends_after_a_quarter_of_an_hour():
    assert timedelta(minutes=15) == link_codes.SETUP_LIFE
