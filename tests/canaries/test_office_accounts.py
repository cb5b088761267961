"""Changes of an officer's account: those that suspend the office, and those after which it continues."""

from dataclasses import replace

import pytest

from accounts.principals import Principal
from accounts.second_factors.services import totp
from accounts.sessions.services.sessions import open_session
from accounts.tokens.access_tokens import authenticate_bearer
from accounts.users.services import editing, password_resets
from audit.log.events import Source
from canaries.documents import HOST
from canaries.hidden import officers as hidden
from canaries.models import LogPosition
from canaries.sealed.store import changing, read_incidents
from canaries.services import offices
from canaries.services.offices import (
    appoint_officer,
    confirm_office,
    remove_officer,
    suspend_office,
)
from canaries.watching import watching
from canaries.watching.reading import rows_after
from kernel.errors import Conflict, Refused
from tests.accounts.test_totp import enrol
from tests.canaries.officers import ORIGIN, are_active, make_officer, records, titles, with_factor, words
from tests.factories import SYSTEM
from tests.log_entries import log_rows
from tests.personas import PASSWORD, ApiClient, make_persona

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda by, user: editing.set_role(principal=by, user_id=user.id, role="auditor"),
        lambda by, user: editing.disable_user(principal=by, user_id=user.id),
        lambda by, user: editing.sign_out_everywhere(principal=by, user_id=user.id),
        lambda by, user: totp.reset_totp(principal=by, user_id=user.id, reason="lost"),
        lambda by, user: password_resets.issue_password_reset(principal=by, user_id=user.id),
        lambda by, user: editing.set_email(principal=by, user_id=user.id, email="x@example.org"),
    ],
)
def test_a_change_of_the_account_by_another_suspends_the_office(first, admin, watch, change):
    watch()
    change(admin.principal, first)
    watch()
    assert are_active() == []
    incident = read_incidents().incidents[0]
    assert (incident.first.actor_name, incident.touches) == ("ada", 1)
    assert titles()[-1] == "Canary touched: office mira"
    assert "office.suspended" in words()


def test_the_use_of_a_password_reset_suspends_the_office_again(first, other, admin, watch):
    """Its entry is the officer's own, but another person created the link."""
    issued = password_resets.issue_password_reset(principal=admin.principal, user_id=first.id)
    watch()
    confirm_office(by=HOST, user_id=first.id)
    assert are_active() == ["mira"]
    code = issued.url.split("/")[-2]
    password_resets.use_password_reset(code=code, password="another long password", origin=ORIGIN)
    watch()
    assert are_active() == []


def test_a_command_on_the_host_suspends_it_too(first, watch):
    editing.sign_out_everywhere(principal=SYSTEM, user_id=first.id)
    watch()
    assert are_active() == []


def test_own_changes_refused_changes_and_reads_do_not_suspend(sealed, admin, operator, watch):
    officer, _ = make_officer("mira")
    assert officer.api.post("/auth/password", {"current_password": "x", "new_password": "y"}).status >= 400
    assert operator.api.patch(f"/api/v1/users/{officer.user.id}", {"role": "auditor"}).status == 403
    assert admin.api.get(f"/api/v1/users/{officer.user.id}").status == 200
    editing.unlock_user(principal=admin.principal, user_id=officer.user.id)
    assert officer.api.post("/auth/logout", {"refresh_token": officer.refresh_token}).status < 500
    watch()
    assert are_active() == ["mira"]
    assert read_incidents().incidents == []


def sees_canaries(user):
    """With a new session and a second factor."""
    user.refresh_from_db()
    api = ApiClient(open_session(user, "password+totp", ORIGIN).access_token)
    return api.get("/api/v1/canaries").status == 200


@pytest.fixture
def read_always(monkeypatch):
    monkeypatch.setattr(hidden, "PERIOD", 0.0)


def test_a_thief_is_not_faster_than_the_watcher(first, admin, watch, read_always):
    """With the password and an administrator's session, in the second before the watcher suspends the office."""
    assert sees_canaries(first)
    totp.reset_totp(principal=admin.principal, user_id=first.id)
    first.refresh_from_db()
    stolen = ApiClient(open_session(first, "password", ORIGIN).access_token)
    enrol(replace(admin, user=first, api=stolen))
    assert are_active() == ["mira"]
    assert not sees_canaries(first)
    watch()
    assert are_active() == []
    assert not sees_canaries(first)


def test_an_own_change_of_the_account_keeps_the_office_once_it_is_watched(first, watch, read_always):
    pair = open_session(first, "password+totp", ORIGIN)
    editing.change_password(
        principal=authenticate_bearer(pair.access_token, ORIGIN),
        current=PASSWORD,
        new="another horse, another staple",
    )
    assert not sees_canaries(first)
    watch()
    assert sees_canaries(first)
    assert read_incidents().incidents == []


def test_an_own_change_does_not_accept_a_later_one_by_another(first, admin, watch, read_always, monkeypatch):
    """The watcher has read only the entry of the first one."""
    editing.change_password(
        principal=authenticate_bearer(open_session(first, "password+totp", ORIGIN).access_token, ORIGIN),
        current=PASSWORD,
        new="another horse, another staple",
    )
    log_rows()
    rows = rows_after(LogPosition.objects.get().last_id)
    editing.sign_out_everywhere(principal=admin.principal, user_id=first.id)
    monkeypatch.setattr(watching, "rows_after", lambda last_id: [row for row in rows if row.id > last_id])
    watching.watch_log()
    assert are_active() == ["mira"]
    assert not sees_canaries(first)


def test_an_office_whose_account_changed_without_an_entry_is_confirmed(first, read_always):
    first.refresh_from_db()
    first.save_with_mac()
    assert not sees_canaries(first)
    confirm_office(by=HOST, user_id=first.id)
    assert sees_canaries(first)
    with pytest.raises(Conflict, match="already in effect"):
        confirm_office(by=HOST, user_id=first.id)


def test_a_sign_out_by_quarantine_keeps_the_office(first, watch, read_always):
    editing.sign_out_everywhere(
        principal=Principal.system("session control", Source.SCHEDULER), user_id=first.id
    )
    watch()
    assert sees_canaries(first)
    assert read_incidents().incidents == []


def test_an_officer_who_removes_their_authenticator_is_suspended(sealed, watch):
    """Otherwise the password alone would open the office."""
    officer, authenticator = with_factor(make_persona("mira", "developer"))
    appoint_officer(by=HOST, user_id=officer.user.id)
    totp.remove_totp(principal=officer.principal, code=authenticator.code())
    watch()
    assert are_active() == []
    assert titles()[-1] == "Canary touched: office mira"


def test_a_suspended_office_is_confirmed_by_the_host_or_another_officer(
    first, second, admin, watch, read_always
):
    for by in (HOST, str(second.id)):
        editing.sign_out_everywhere(principal=admin.principal, user_id=first.id)
        watch()
        assert are_active() == ["nils"]
        confirm_office(by=by, user_id=first.id)
        assert are_active() == ["mira", "nils"]
        assert sees_canaries(first)


def test_an_office_is_not_confirmed_until_its_user_has_a_second_factor_again(first, admin, watch):
    totp.reset_totp(principal=admin.principal, user_id=first.id, reason="lost")
    watch()
    with pytest.raises(Refused, match="no authenticator"):
        confirm_office(by=HOST, user_id=first.id)


def test_an_office_is_suspended_once_and_not_if_it_was_removed(first, second):
    remove_officer(by=HOST, user_id=second.id)
    for user in (first, first, second):
        with changing() as change:
            suspend_office(change, user.id)
    found = [record for record in records() if record.word == "office.suspended"]
    assert [record.facts for record in found] == [{"office": str(first.id)}]


def test_the_appointer_cannot_shorten_the_wait_by_a_suspension(first, other, admin, watch):
    appoint_officer(by=str(first.id), user_id=other.id)
    editing.sign_out_everywhere(principal=admin.principal, user_id=other.id)
    watch()
    confirm_office(by=str(first.id), user_id=other.id)
    assert are_active() == ["mira"]
    assert are_active(offices.WAIT) == ["mira", "olga"]
