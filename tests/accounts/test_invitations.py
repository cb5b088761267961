"""Invitations: a link by which a new user chooses their password, once and for 7 days."""

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
from accounts.errors import InvitationInvalid, LastAdmin, NotInvitable
from accounts.models import Invitation, User, links
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.sign_in import services as sign_in
from accounts.users import link_codes
from accounts.users.services import editing, invitations
from audit.log.events import Source
from audit.log.refusals import flush
from audit.models import AuditLog, AuditTrail
from kernel.errors import Denied, Invalid, NotFound, Unauthenticated
from kernel.observability.logs import redact
from kernel.trust.row_mac import IntegrityFailed
from tests.browsing import signed_in
from tests.log_entries import log_rows
from tests.personas import PASSWORD

SYSTEM = Principal.system("test", Source.COMMAND)
ORIGIN = Origin(client_ip="192.0.2.7", user_agent="tests", request_id="test", source=Source.CONSOLE)


def invite(username="nora", **more):
    return invitations.invite_user(**{"principal": SYSTEM, "username": username, "role": "developer"} | more)


def code_of(issued):
    return issued.url.split("/")[-2]


def accept(issued, password=PASSWORD):
    return invitations.accept_invitation(code=code_of(issued), password=password, origin=ORIGIN)


@pytest.fixture
def issued(db):
    return invite()


def test_a_link_opens_no_account_with_a_second_factor(issued):
    issued.user.requires_second_factor = True
    issued.user.save_with_mac(update_fields=["requires_second_factor"])
    with pytest.raises(InvitationInvalid):
        accept(issued)


def test_the_invited_user_chooses_the_password_and_only_then_can_sign_in(issued, settings):
    assert issued.url.startswith(f"{settings.CC_PUBLIC_URL}/invitation/")
    assert (issued.user.state, issued.user.has_usable_password()) == ("invited", False)
    with pytest.raises(Unauthenticated):
        sign_in.check_password(username="nora", password="")
    user = accept(issued)
    assert (user.state, user.check_mac().role) == ("active", "developer")
    assert sign_in.check_password(username="nora", password=PASSWORD) == user
    entry = log_rows().get(action=actions.INVITATION_ACCEPTED)
    assert (entry.user_id, entry.client_ip, entry.object_id) == (user.id, "192.0.2.7", str(user.id))


def test_a_link_works_once(issued):
    other = invite("other")
    accept(issued)
    with pytest.raises(InvitationInvalid):
        accept(issued, "another long password")
    assert sign_in.check_password(username="nora", password=PASSWORD)
    assert accept(other) == other.user


def test_a_refused_password_leaves_the_link_open(issued):
    with pytest.raises(Invalid) as refusal:
        accept(issued, "short")
    assert set(refusal.value.fields) == {"password"}
    assert accept(issued).state == "active"


def expire(user):
    link = Invitation.objects.get(user=user)
    link.expires_at -= link_codes.INVITATION_LIFE
    link.save_with_mac()


def disable_and_enable(user):
    editing.disable_user(principal=SYSTEM, user_id=user.id)
    editing.enable_user(principal=SYSTEM, user_id=user.id)


ENDINGS = {
    "7 days": expire,
    "a newer link": lambda user: invitations.reissue_invitation(principal=SYSTEM, user_id=user.id),
    "a revocation": lambda user: invitations.revoke_invitation(principal=SYSTEM, user_id=user.id),
    "disabling": lambda user: editing.disable_user(principal=SYSTEM, user_id=user.id),
    "disabling, although enabled again": disable_and_enable,
    "another role": lambda user: editing.set_role(principal=SYSTEM, user_id=user.id, role="admin"),
    "a password of an administrator": lambda user: editing.set_password(
        principal=SYSTEM, user_id=user.id, password="another long password"
    ),
}


@pytest.mark.parametrize("end", ENDINGS)
def test_a_link_ends_with(issued, end):
    before = User.objects.get().password
    ENDINGS[end](issued.user)
    with pytest.raises(InvitationInvalid):
        invitations.check_invitation(code=code_of(issued))
    with pytest.raises(InvitationInvalid):
        accept(issued)
    assert User.objects.get().password == before or end == "a password of an administrator"


def test_an_invalid_invitation_code_is_refused(issued):
    for wrong in (link_codes.new_code(), code_of(issued)[:-1], ""):
        with pytest.raises(InvitationInvalid):
            invitations.check_invitation(code=wrong)
    assert timedelta(days=7) == link_codes.INVITATION_LIFE


def test_a_new_link_is_only_for_active_users_without_a_password(issued):
    editing.disable_user(principal=SYSTEM, user_id=issued.user.id)
    with pytest.raises(NotInvitable, match="Enable the user first"):
        invitations.reissue_invitation(principal=SYSTEM, user_id=issued.user.id)
    editing.enable_user(principal=SYSTEM, user_id=issued.user.id)
    accept(invitations.reissue_invitation(principal=SYSTEM, user_id=issued.user.id))
    with pytest.raises(NotInvitable, match="already has a way to sign in"):
        invitations.reissue_invitation(principal=SYSTEM, user_id=issued.user.id)
    with pytest.raises(NotFound):
        invitations.revoke_invitation(principal=SYSTEM, user_id=issued.user.id)


@pytest.mark.parametrize("persona", ["operator", "developer", "auditor"])
def test_invitations_are_the_administrators_to_issue(request, persona, issued):
    principal = request.getfixturevalue(persona).principal
    for refused in (
        lambda: invite("other", principal=principal),
        lambda: invitations.reissue_invitation(principal=principal, user_id=issued.user.id),
        lambda: invitations.revoke_invitation(principal=principal, user_id=issued.user.id),
    ):
        with pytest.raises(Denied):
            refused()
    assert accept(issued)


def test_write_access_to_the_database_opens_no_account(issued):
    """Neither with the hash of an invented code, nor with a later end, nor with the link of another user."""
    own = link_codes.new_code()
    Invitation.objects.update(code_hash=links.digest(own))
    with pytest.raises(IntegrityFailed):
        invitations.accept_invitation(code=own, password=PASSWORD, origin=ORIGIN)
    other = invite("other", role="admin")
    Invitation.objects.filter(user=issued.user).delete()
    Invitation.objects.filter(user=other.user).update(user=issued.user)
    with pytest.raises(IntegrityFailed):
        accept(other)


def test_an_invited_administrator_does_not_count_as_the_one_who_remains(admin):
    invite("second", role="admin")
    for change in (
        lambda: editing.disable_user(principal=SYSTEM, user_id=admin.user.id),
        lambda: editing.set_role(principal=SYSTEM, user_id=admin.user.id, role="auditor"),
    ):
        with pytest.raises(LastAdmin):
            change()
    assert editing.is_last_admin(admin.user)


@pytest.mark.django_db(transaction=True)
def test_one_of_two_simultaneous_uses_of_an_invitation_succeeds():
    issued = invite()
    start = threading.Barrier(2)

    def use(password):
        start.wait(60)
        try:
            accept(issued, password)
        except InvitationInvalid:
            return "refused"
        finally:
            connection.close()
        return password

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(use, ["first long password", "second long password"]))
    [winner] = set(results) - {"refused"}
    assert min(results, key=len) == "refused"
    assert sign_in.check_password(username="nora", password=winner)


def test_the_commands_print_a_link_and_replace_it(db):
    def run(*arguments):
        out = io.StringIO()
        call_command(*arguments, stdout=out)
        return out.getvalue().strip().split("/")[-2]

    first = run("create_user", "nora", "--role", "operator", "--email", "nora@example.org", "--invite")
    second = run("update_user", "nora", "--invite")
    with pytest.raises(InvitationInvalid):
        invitations.check_invitation(code=first)
    assert invitations.check_invitation(code=second).email == "nora@example.org"
    with pytest.raises(CommandError, match="already has this username"):
        run("create_user", "nora", "--role", "operator", "--invite")


# --- the page


def path_of(issued):
    return f"/invitation/{code_of(issued)}/"


def test_the_page_sets_the_password_and_signs_in(issued):
    browser = Client()
    page = browser.get(path_of(issued))
    assert page.status_code == 200
    assert 'value="nora"' in page.content.decode()
    assert (page["Referrer-Policy"], page["Cache-Control"]) == ("same-origin", "no-store")
    refused = browser.post(path_of(issued), {"password": "short"})
    assert (refused.status_code, list(refused.context["form"].errors)) == (422, ["password"])
    response = browser.post(path_of(issued), {"password": PASSWORD})
    assert (response.status_code, response["Location"]) == (303, "/home/")
    assert browser.get("/account/").context["account"] == issued.user
    assert log_rows().filter(action=actions.SESSION_OPENED, user_id=issued.user.id).count() == 1
    assert browser.get(path_of(issued)).status_code == 404


def test_a_link_that_opens_nothing_reveals_nothing(issued):
    invitations.revoke_invitation(principal=SYSTEM, user_id=issued.user.id)
    revoked, unknown = Client().get(path_of(issued)), Client().get(f"/invitation/{link_codes.new_code()}/")
    assert revoked.status_code == unknown.status_code == 404
    assert revoked.content == unknown.content
    assert b"nora" not in revoked.content
    assert Client().post(path_of(issued), {"password": PASSWORD}).status_code == 404


def test_a_user_who_is_signed_in_is_warned_and_replaced(issued, admin):
    browser = signed_in(admin)
    assert "You are signed in as ada" in browser.get(path_of(issued)).content.decode()
    assert browser.post(path_of(issued), {"password": PASSWORD}).status_code == 303
    assert browser.get("/account/").context["account"] == issued.user


def test_the_address_is_throttled(issued, settings):
    settings.CC_THROTTLE_AUTH = "2/day"
    browser = Client()
    responses = [browser.post(path_of(issued), {"password": "short"}) for _ in range(3)]
    assert [response.status_code for response in responses] == [422, 422, 429]
    assert b"nora" not in responses[-1].content


def test_the_form_needs_its_csrf_token(issued):
    browser = Client(enforce_csrf_checks=True)
    assert browser.post(path_of(issued), {"password": PASSWORD}).status_code == 403
    assert not User.objects.get().has_usable_password()


def test_the_code_is_stored_nowhere(issued, caplog):
    code = code_of(issued)
    browser = Client()
    with caplog.at_level(logging.DEBUG):
        browser.get(path_of(issued))
        browser.post(path_of(issued), {"password": "short"})
        browser.put(path_of(issued))
        Client(enforce_csrf_checks=True).post(path_of(issued), {"password": PASSWORD})
        browser.post(path_of(issued), {"password": PASSWORD})
        browser.get(path_of(issued))
    flush()
    stored = [list(model.objects.values()) for model in (Invitation, AuditLog, AuditTrail)]
    assert code not in json.dumps(stored, default=str)
    assert code not in redact(caplog.text)
    assert code not in repr(issued)


def test_a_reason_is_recorded(issued):
    invitations.revoke_invitation(principal=SYSTEM, user_id=issued.user.id, reason="wrong person")
    entry = log_rows().get(action=actions.INVITATION_REVOKED)
    assert json.loads(entry.meta) == {"reason": "wrong person"}
