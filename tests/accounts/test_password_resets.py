"""Password resets: a link by which a user chooses another password, once and for 24 hours."""

import json
import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client

from accounts import actions
from accounts.errors import InvitationInvalid, NotResettable, OtpRequired, PasswordResetInvalid
from accounts.models import Invitation, User, links
from accounts.models.users import FEDERATED
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.sign_in import services as sign_in
from accounts.users import link_codes
from accounts.users.services import editing, invitations, listing, password_resets
from audit.log.events import Source
from audit.log.refusals import flush
from audit.models import AuditLog, AuditTrail
from kernel.errors import Denied, Invalid, Unauthenticated
from kernel.observability.logs import redact
from kernel.outbox.models import Notification
from kernel.trust.row_mac import IntegrityFailed
from tests.browsing import signed_in
from tests.endpoints import ENROLLED, make_user
from tests.log_entries import log_rows
from tests.personas import PASSWORD, ApiClient, make_persona, with_token

SYSTEM = Principal.system("test", Source.COMMAND)
ORIGIN = Origin(client_ip="192.0.2.7", user_agent="tests", request_id="test", source=Source.CONSOLE)
NEW = "another long password"


def issue(user, **more):
    return password_resets.issue_password_reset(**{"principal": SYSTEM, "user_id": user.id} | more)


def code_of(issued):
    return issued.url.split("/")[-2]


def path_of(issued):
    return f"/password-reset/{code_of(issued)}/"


def use(issued, password=NEW):
    password_resets.use_password_reset(code=code_of(issued), password=password, origin=ORIGIN)


def known_password(user):
    return sign_in.check_password(username=user.username, password=NEW).pk == user.pk


@pytest.fixture
def issued(developer):
    return issue(developer.user)


def test_the_user_chooses_another_password(issued, settings):
    assert issued.url.startswith(f"{settings.CC_PUBLIC_URL}/password-reset/")
    assert sign_in.check_password(username="dora", password=PASSWORD)
    use(issued)
    with pytest.raises(Unauthenticated):
        sign_in.check_password(username="dora", password=PASSWORD)
    assert known_password(issued.user)
    entry = log_rows().get(action=actions.PASSWORD_RESET_USED)
    assert (entry.user_id, entry.client_ip, entry.auth_method) == (
        issued.user.id,
        "192.0.2.7",
        "password_reset",
    )


def test_sessions_and_tokens_end_with_the_issue_and_with_the_use(developer):
    personal = with_token(developer).api
    browser = signed_in(developer)
    assert (developer.api.get("/auth/me").status, personal.get("/api/v1/keys").status) == (200, 200)
    issued = issue(developer.user)
    assert (developer.api.get("/auth/me").status, personal.get("/api/v1/keys").status) == (401, 401)
    assert browser.get("/account/").status_code == 302
    meanwhile = sign_in.sign_in(username="dora", password=PASSWORD, origin=ORIGIN).access_token
    assert ApiClient(meanwhile).get("/auth/me").status == 200
    use(issued)
    assert ApiClient(meanwhile).get("/auth/me").status == 401


def test_the_second_factor_is_still_required(db):
    user = make_user(ENROLLED)
    issued, browser = issue(user), Client()
    response = browser.post(path_of(issued), {"password": NEW})
    assert (response.status_code, response["Location"]) == (303, "/login/?password-changed")
    assert browser.get("/account/").status_code == 302
    assert browser.post("/login/", {"username": user.username, "password": NEW})["Location"] == "/login/code/"
    assert browser.get("/account/").status_code == 302
    with pytest.raises(OtpRequired):
        sign_in.sign_in(username=user.username, password=NEW, origin=ORIGIN)
    assert User.objects.get(pk=user.pk).requires_second_factor


def test_a_link_works_once(issued):
    use(issued)
    with pytest.raises(PasswordResetInvalid):
        use(issued, "a third long password")
    assert known_password(issued.user)


def expire(user):
    link = Invitation.objects.get(user=user)
    link.expires_at -= link_codes.PASSWORD_RESET_LIFE
    link.save_with_mac()


ENDINGS = {
    "24 hours": expire,
    "a newer link": issue,
    "signing out everywhere": lambda user: editing.sign_out_everywhere(principal=SYSTEM, user_id=user.id),
    "disabling": lambda user: editing.disable_user(principal=SYSTEM, user_id=user.id),
    "another role": lambda user: editing.set_role(principal=SYSTEM, user_id=user.id, role="admin"),
    "another password": lambda user: editing.set_password(
        principal=SYSTEM, user_id=user.id, password="a third long password"
    ),
}


@pytest.mark.parametrize("end", ENDINGS)
def test_a_link_ends_with(issued, end):
    ENDINGS[end](issued.user)
    before = User.objects.get().password
    with pytest.raises(PasswordResetInvalid):
        use(issued)
    assert User.objects.get().password == before


def test_the_time_of_expiry_is_excluded(issued):
    link = Invitation.objects.get()
    assert link.is_open(issued.expires_at - timedelta(microseconds=1))
    assert not link.is_open(issued.expires_at)
    assert timedelta(hours=24) == link_codes.PASSWORD_RESET_LIFE


def test_a_link_of_one_kind_never_works_as_the_other(issued):
    invited = invitations.invite_user(principal=SYSTEM, username="nora", role="developer")
    with pytest.raises(InvitationInvalid):
        invitations.accept_invitation(code=code_of(issued), password=NEW, origin=ORIGIN)
    with pytest.raises(PasswordResetInvalid):
        use(invited)
    assert Client().get(f"/invitation/{code_of(issued)}/").status_code == 404
    assert Client().get(path_of(invited)).status_code == 404


def test_an_invitation_that_is_left_after_its_use_is_no_password_reset(db):
    """As if an attacker could put its row back."""
    invited = invitations.invite_user(principal=SYSTEM, username="nora", role="developer")
    user = invitations.accept_invitation(code=code_of(invited), password=PASSWORD, origin=ORIGIN)
    Invitation(
        user=user,
        code_hash=links.digest(code_of(invited)),
        subject_version=user.subject_version,
        expires_at=invited.expires_at,
    ).save_with_mac()
    with pytest.raises(PasswordResetInvalid):
        use(invited)
    with pytest.raises(InvitationInvalid):
        invitations.accept_invitation(code=code_of(invited), password=NEW, origin=ORIGIN)


def test_only_other_active_users_with_a_password_get_a_link(admin, developer):
    invited = invitations.invite_user(principal=SYSTEM, username="nora", role="developer").user
    federated = make_persona("fred", "developer").user
    federated.password = FEDERATED
    federated.save_with_mac(update_fields=["password"])
    gone = make_persona("gone", "developer").user
    editing.disable_user(principal=SYSTEM, user_id=gone.id)
    for user, why in {
        invited: "Issue a new invitation",
        federated: "identity provider",
        gone: "Enable the user first",
        admin.user: "your own password",
    }.items():
        with pytest.raises(NotResettable, match=why):
            issue(user, principal=admin.principal)
    assert issue(developer.user, principal=admin.principal)


@pytest.mark.parametrize("persona", ["operator", "developer", "auditor"])
def test_resets_are_the_administrators_to_issue(db, request, persona):
    other = make_persona("other", "developer")
    with pytest.raises(Denied):
        issue(other.user, principal=request.getfixturevalue(persona).principal)
    assert other.api.get("/auth/me").status == 200


def test_it_is_on_record_and_notifies(admin, developer):
    issued = issue(developer.user, principal=admin.principal, reason="forgot it")
    entry = log_rows().get(action=actions.PASSWORD_RESET_ISSUED)
    assert (entry.user_id, entry.object_id) == (admin.user.id, str(developer.user.id))
    assert json.loads(entry.meta)["reason"] == "forgot it"
    notification = Notification.objects.get()
    assert notification.sentence.startswith("ada created a link that resets the password of dora until 20")
    listed = listing.get_user(principal=admin.principal, user_id=developer.user.id)
    assert (listed.reset_until, listed.invited_until) == (issued.expires_at, None)


def test_a_refused_password_leaves_the_link_open(issued):
    with pytest.raises(Invalid):
        use(issued, "short")
    use(issued)
    assert known_password(issued.user)


def test_write_access_to_the_database_opens_no_account(issued):
    own = link_codes.new_code()
    Invitation.objects.update(code_hash=links.reset_digest(own))
    with pytest.raises(IntegrityFailed):
        password_resets.use_password_reset(code=own, password=NEW, origin=ORIGIN)


@pytest.mark.django_db(transaction=True)
def test_one_of_two_simultaneous_uses_succeeds(issued):
    start = threading.Barrier(2)

    def try_to_use(password):
        start.wait(60)
        try:
            use(issued, password)
        except PasswordResetInvalid:
            return "refused"
        finally:
            connection.close()
        return password

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(try_to_use, ["first long password", "second long password"]))
    [winner] = set(results) - {"refused"}
    assert len(set(results)) == 2
    assert sign_in.check_password(username="dora", password=winner)


def test_the_page_warns_a_user_who_is_signed_in_and_signs_them_out(issued, admin):
    browser = signed_in(admin)
    assert "You are signed in as ada" in browser.get(path_of(issued)).content.decode()
    assert browser.post(path_of(issued), {"password": NEW}).status_code == 303
    assert browser.get("/account/").status_code == 302


def test_a_link_that_opens_nothing_reveals_nothing(issued):
    use(issued)
    used, unknown = Client().get(path_of(issued)), Client().get(f"/password-reset/{link_codes.new_code()}/")
    assert used.status_code == unknown.status_code == 404
    assert used.content == unknown.content
    assert Client().post(path_of(issued), {"password": PASSWORD}).status_code == 404


def test_the_address_is_throttled(issued, settings):
    settings.CC_THROTTLE_AUTH = "2/day"
    responses = [Client().post(path_of(issued), {"password": "short"}) for _ in range(3)]
    assert [response.status_code for response in responses] == [422, 422, 429]
    assert b"dora" not in responses[-1].content


def test_the_code_is_stored_nowhere(issued, caplog):
    browser = Client()
    with caplog.at_level(logging.DEBUG):
        browser.get(path_of(issued))
        browser.post(path_of(issued), {"password": "short"})
        browser.put(path_of(issued))
        Client(enforce_csrf_checks=True).post(path_of(issued), {"password": NEW})
        stored = list(Invitation.objects.values())
        browser.post(path_of(issued), {"password": NEW})
        browser.get(path_of(issued))
    flush()
    stored += [row for model in (AuditLog, AuditTrail, Notification) for row in model.objects.values()]
    for text in (json.dumps(stored, default=str), redact(caplog.text), repr(issued)):
        assert code_of(issued) not in text


def test_an_administrator_gets_the_link_once(admin, developer):
    browser, path = signed_in(admin), f"/users/{developer.user.id}/"
    given = {"reason": "forgot it", "name": "dora"}
    assert "All sessions and service tokens" in browser.get(f"{path}reset-password").content.decode()
    wrong = browser.post(f"{path}reset-password", given | {"name": "nora"})
    assert (wrong.status_code, list(wrong.context["form"].errors)) == (422, ["name"])
    shown = browser.post(f"{path}reset-password", given).content.decode()
    [code] = re.findall(r"/password-reset/([\w-]{43})/", shown)
    assert password_resets.check_password_reset(code=code) == developer.user
    page = browser.get(path).content.decode()
    assert "Password reset</dt><dd>Open until" in page
    assert code not in page


def test_an_administrator_is_not_offered_a_reset_of_their_own_password(admin, developer):
    browser = signed_in(admin)
    assert "danger-reset-password" not in browser.get(f"/users/{admin.user.id}/").content.decode()
    assert "danger-reset-password" in browser.get(f"/users/{developer.user.id}/").content.decode()
