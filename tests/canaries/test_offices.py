"""Offices: the users who can have one, the time when it is effective, and the acts that suspend it."""

import io
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from accounts.principals import Principal
from accounts.second_factors.services import totp
from accounts.sessions.services.sessions import open_session
from accounts.tokens.access_tokens import authenticate_bearer
from accounts.users.services import editing
from audit.log.events import Source
from canaries.documents import HOST, Channel, ChannelKind, active_officers
from canaries.hidden import officers as hidden
from canaries.models import LogPosition
from canaries.sealed import journal
from canaries.sealed.store import changing, read_incidents, read_set
from canaries.services import offices
from canaries.services.offices import (
    appoint_officer,
    confirm_office,
    list_offices,
    remove_officer,
    suspend_office,
)
from canaries.watching import watching
from canaries.watching.reading import rows_after
from kernel.clock import database_now
from kernel.errors import Conflict, NotFound, Refused
from kernel.trust.row_mac import IntegrityFailed
from tests.accounts.test_totp import enrol
from tests.canaries.officers import ORIGIN, make_officer, with_factor
from tests.endpoints import make_passkey
from tests.factories import SYSTEM
from tests.log_entries import log_rows
from tests.personas import PASSWORD, ApiClient, make_persona

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def first(sealed):
    return make_officer("mira")[0].user


@pytest.fixture
def second(sealed):
    return make_officer("nils")[0].user


@pytest.fixture
def other(sealed):
    """A user who can be an officer."""
    return with_factor(make_persona("olga", "operator"))[0].user


def are_active(after=timedelta()):
    now = database_now() + after
    names = {office.user_id: office.name for office in read_set().offices}
    return sorted(names[each] for each in active_officers(read_set().offices, now))


def records():
    return [record for each in journal.read() for record in each.page.records]


def words():
    return [record.word for record in records()]


def titles():
    """Of the notices."""
    return [record.facts["title"] for record in records() if record.word == "notice.written"]


def test_an_office_from_the_host_is_effective_at_once(sealed, first):
    assert are_active() == ["mira"]
    assert "office.appointed" in words()


def test_an_office_from_an_officer_waits_for_a_day(first, other):
    appoint_officer(by=str(first.id), user_id=other.id)
    assert are_active() == ["mira"]
    assert are_active(timedelta(hours=23, minutes=59)) == ["mira"]
    assert are_active(timedelta(hours=24)) == ["mira", "olga"]


def test_an_office_is_effective_from_its_time_on(first):
    [office] = list_offices()
    assert active_officers([office], office.effective_at) == {first.id}
    assert active_officers([office], office.effective_at - timedelta(microseconds=1)) == set()


def test_offices_are_sorted_by_name(second, first):
    assert [office.name for office in list_offices()] == ["mira", "nils"]


def test_only_an_officer_changes_offices(first, other):
    with pytest.raises(NotFound):
        appoint_officer(by=str(other.id), user_id=other.id)
    with pytest.raises(NotFound):
        remove_officer(by=str(other.id), user_id=first.id)
    assert are_active() == ["mira"]


def test_a_user_without_an_office_or_an_account_is_named(first, other):
    for change in (confirm_office, remove_officer):
        with pytest.raises(NotFound, match="no office"):
            change(by=str(first.id), user_id=other.id)
    with pytest.raises(NotFound, match="no user"):
        appoint_officer(by=HOST, user_id=uuid4())


def test_another_officer_confirms_earlier_but_neither_the_appointer_nor_the_user(first, second, other):
    appoint_officer(by=str(first.id), user_id=other.id)
    with pytest.raises(Refused):
        confirm_office(by=str(first.id), user_id=other.id)
    with pytest.raises(NotFound):
        confirm_office(by=str(other.id), user_id=other.id)
    confirm_office(by=str(second.id), user_id=other.id)
    assert are_active() == ["mira", "nils", "olga"]
    with pytest.raises(Conflict):
        confirm_office(by=str(second.id), user_id=other.id)


def test_each_change_is_in_the_journal_and_announced_on_all_channels(first, second, other):
    channel = Channel(id=uuid4(), kind=ChannelKind.EMAIL, target="x", added_at=database_now(), added_by=HOST)
    with changing() as change:
        change.set.channels.append(channel)
    appoint_officer(by=str(first.id), user_id=other.id)
    confirm_office(by=str(second.id), user_id=other.id)
    remove_officer(by=HOST, user_id=other.id)
    assert [notice.waiting for notice in read_incidents().notices[-3:]] == [[channel.id]] * 3
    assert titles()[-3:] == [
        "mira appointed olga as an officer",
        "nils confirmed the office of olga",
        "host removed the office of olga",
    ]
    facts = [record.facts for record in records() if record.word.startswith("office.")][-3:]
    assert [each["by"] for each in facts] == [str(first.id), str(second.id), HOST]
    assert {each["office"]["user_id"] for each in facts} == {str(other.id)}


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"requires_second_factor": False}, "no authenticator"),
        ({"is_active": False}, "Enable the user"),
        ({"password": "!federated"}, "password and an authenticator here"),
        ({"password": "!invited"}, "accept the invitation"),
    ],
)
def test_only_a_local_user_with_a_second_factor_can_be_an_officer(other, change, remedy):
    for name, value in change.items():
        setattr(other, name, value)
    other.save_with_mac()
    with pytest.raises(Refused, match=remedy):
        appoint_officer(by=HOST, user_id=other.id)


def test_a_passkey_is_not_enough(sealed):
    """The password alone would open a session that can set up an authenticator, and then be an officer's."""
    persona = make_persona("paul", "developer")
    make_passkey(persona.user)
    with pytest.raises(Refused, match="no authenticator"):
        appoint_officer(by=HOST, user_id=persona.user.id)


def test_an_altered_account_gets_no_office(other):
    User.objects.filter(pk=other.id).update(role="admin")
    with pytest.raises(IntegrityFailed):
        appoint_officer(by=HOST, user_id=other.id)


def test_a_user_has_one_office(first):
    with pytest.raises(Conflict):
        appoint_officer(by=HOST, user_id=first.id)


def test_only_the_host_removes_the_last_officer(first, second):
    remove_officer(by=str(first.id), user_id=second.id)
    with pytest.raises(Refused):
        remove_officer(by=str(first.id), user_id=first.id)
    with pytest.raises(NotFound):
        remove_officer(by=str(second.id), user_id=first.id)
    remove_officer(by=HOST, user_id=first.id)
    assert list_offices() == []


@pytest.mark.parametrize(
    "change",
    [
        lambda by, user: editing.set_role(principal=by, user_id=user.id, role="auditor"),
        lambda by, user: editing.disable_user(principal=by, user_id=user.id),
        lambda by, user: editing.sign_out_everywhere(principal=by, user_id=user.id),
        lambda by, user: totp.reset_totp(principal=by, user_id=user.id, reason="lost"),
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
    with pytest.raises(Conflict, match="effective already"):
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


def test_nothing_of_an_office_is_in_the_log(first, other, second):
    before = log_rows().count()
    appoint_officer(by=str(first.id), user_id=other.id)
    confirm_office(by=str(second.id), user_id=other.id)
    remove_officer(by=HOST, user_id=other.id)
    assert log_rows().count() == before


def run(*arguments):
    out = io.StringIO()
    call_command("appoint_officer", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_appoints_confirms_lists_and_removes(other, admin, watch):
    next_sign_in = "They see Canaries after their next sign-in with a code from their authenticator."
    check = "Check that all of this is theirs. Passkeys: {}. Open sessions: {}."
    assert run("Olga").splitlines() == [f"olga is an officer. {next_sign_in}", check.format(0, 2)]
    assert run("--list") == "olga  active\n"
    editing.sign_out_everywhere(principal=admin.principal, user_id=other.id)
    watch()
    assert run("--list") == "olga  suspended\n"
    make_passkey(other)
    effective = f"The office of olga is effective. {next_sign_in}"
    assert run("olga").splitlines() == [effective, check.format(1, 0)]
    assert run("olga", "--remove") == "olga is no officer any more\n"
    assert run("--list") == ""


@pytest.mark.parametrize("arguments", [[], ["olga", "--list"], ["nobody"]])
def test_the_command_explains_wrong_arguments(other, arguments):
    with pytest.raises(CommandError):
        run(*arguments)
