"""Offices: the users who can have one, the time when it is effective, and the acts that suspend it."""

import io
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from accounts.users.services import editing
from canaries.documents import HOST, Channel, ChannelKind, active_officers
from canaries.sealed.store import changing, read_incidents
from canaries.services.offices import (
    appoint_officer,
    confirm_office,
    list_offices,
    remove_officer,
)
from kernel.clock import database_now
from kernel.errors import Conflict, NotFound, Refused
from kernel.trust.models import StateHead
from kernel.trust.row_mac import IntegrityFailed
from kernel.trust.row_state import head_id
from tests.canaries.officers import are_active, records, titles, words
from tests.endpoints import make_passkey
from tests.log_entries import log_rows
from tests.personas import make_persona

pytestmark = pytest.mark.django_db(transaction=True)


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
        with pytest.raises(NotFound, match="not an officer"):
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
        "nils confirmed the appointment of olga",
        "host removed the officer olga",
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


@pytest.mark.parametrize(
    "alter",
    [
        lambda user: User.objects.filter(pk=user.id).update(role="admin"),
        lambda user: StateHead.objects.filter(pk=head_id(User, user.pk)).update(digest="of a newer row"),
    ],
    ids=["altered", "older"],
)
def test_an_altered_or_older_account_gets_no_office(other, alter):
    alter(other)
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
    effective = f"The appointment of olga is in effect. {next_sign_in}"
    assert run("olga").splitlines() == [effective, check.format(1, 0)]
    assert run("olga", "--remove") == "olga is no officer any more\n"
    assert run("--list") == ""


@pytest.mark.parametrize("arguments", [[], ["olga", "--list"], ["nobody"]])
def test_the_command_explains_wrong_arguments(other, arguments):
    with pytest.raises(CommandError):
        run(*arguments)
