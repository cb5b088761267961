"""The pages of users: the list, one user, inviting, and the operations."""

import re
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import actions, login_attempts
from accounts.models import User
from accounts.principals import Principal
from accounts.roles import DESCRIPTIONS
from accounts.sessions.browser_sessions import CONFIRMED_AT
from accounts.users.operations import USER_OPERATIONS
from accounts.users.services import editing, invitations
from audit.sequencing.catching_up import catch_up
from tests.browsing import signed_in, text
from tests.endpoints import ENROLLED, INVITED, make_user
from tests.factories import UserFactory
from tests.log_entries import log_rows

pytestmark = pytest.mark.django_db

SYSTEM = Principal.system("test", "command")


def plain(response):
    """The text without markup."""
    return " ".join(re.sub("<[^>]+>", " ", text(response)).split())


@pytest.fixture
def browser(admin):
    return signed_in(admin)


def page_of(user):
    return f"/users/{user.id}/"


def lock(user):
    for _ in range(5):
        login_attempts.count(login_attempts.PASSWORD, user.username)


def test_the_list_shows_role_state_second_factor_and_sign_in(browser, developer):
    make_user(INVITED)
    UserFactory(username="gone", role="operator", is_active=False)
    enrolled = make_user(ENROLLED)
    lock(developer.user)
    User.objects.filter(username="gone").update(email="x@example.org")  # no MAC covers the address
    shown = plain(browser.get("/users/"))
    for words in ("5 users", "ada", "Admin", "Invited", "Disabled", "Locked", "Authenticator", "Never"):
        assert words in shown
    for query, expected in (
        ("search=dora", ["dora"]),
        ("role=operator", ["gone"]),
        ("state=disabled&role=operator", ["gone"]),
        (f"search={enrolled.username}", [enrolled.username]),
    ):
        rows = browser.get(f"/users/?{query}").context["rows"]
        assert [listed.user.username for listed in rows] == expected
    ignored = browser.get("/users/?role=root")
    assert "Ignored filters with an unknown value: Role" in plain(ignored)
    assert "No users match" in plain(browser.get("/users/?search=nobody"))


def test_the_list_continues_after_fifty(browser, admin):
    for number in range(52):
        UserFactory(username=f"n-{number:02}")
    first = browser.get("/users/")
    assert (len(first.context["rows"]), first.context["next_after"]) == (50, "n-48")
    headers = {"HX-Request": "true", "HX-Target": "more-users"}
    more = browser.get("/users/?after=n-48", headers=headers)
    assert [listed.user.username for listed in more.context["rows"]] == ["n-49", "n-50", "n-51"]
    assert "<h1>" not in text(more)
    assert len(browser.get("/users/?after=%00").context["rows"]) == 50


@pytest.mark.parametrize("count", [2, 12])
def test_a_page_costs_at_most_twelve_queries(browser, admin, count):
    for _ in range(count):
        make_user(INVITED)
    paths = ["/users/", page_of(admin.user), *(page_of(admin.user) + slug for slug in USER_OPERATIONS)]
    for path in paths:
        catch_up()
        with CaptureQueriesContext(connection) as statements:
            assert browser.get(path).status_code == 200
        assert len([each for each in statements if "SAVEPOINT" not in each["sql"]]) <= 12, path


def test_an_altered_row_is_marked_and_hides_no_other(browser, developer):
    User.objects.filter(pk=developer.user.pk).update(role="admin")
    assert "Altered" in plain(browser.get("/users/"))


def test_an_auditor_sees_users_and_no_control(auditor, developer):
    browser = signed_in(auditor)
    assert "/users/new" not in text(browser.get("/users/"))
    shown = text(browser.get(page_of(developer.user)))
    assert "dora" in shown
    for operation in USER_OPERATIONS.values():
        assert operation.label not in shown
        assert browser.get(page_of(developer.user) + operation.slug).status_code == 403


def test_the_navigation_shows_users_to_those_who_may_read_them(request):
    for name, expected in (("admin", True), ("auditor", True), ("operator", False), ("developer", False)):
        home = text(signed_in(request.getfixturevalue(name)).get("/home/"))
        assert ('href="/users/"' in home) is expected


def test_inviting_shows_the_link_once(browser):
    form = browser.get("/users/new?role=auditor")
    assert form.context["form"]["role"].value() == "auditor"
    for description in DESCRIPTIONS.values():
        assert description in plain(form)
    refused = browser.post("/users/new", {"username": "a b", "email": "", "role": "developer"})
    assert (refused.status_code, list(refused.context["form"].errors)) == (422, ["username"])
    missing = browser.post("/users/new", {"username": "nora"})
    assert list(missing.context["form"].errors) == ["role"]
    shown = browser.post("/users/new", {"username": "nora", "email": "", "role": "developer"})
    [link] = re.findall(r"http://[^\s<]+/invitation/[\w-]{43}/", text(shown))
    user = User.objects.get(username="nora")
    assert invitations.check_invitation(code=link.split("/")[-2]) == user
    again = browser.post("/users/new", {"username": "nora", "email": "", "role": "developer"})
    assert (again.status_code, list(again.context["form"].errors)) == (422, ["username"])
    assert urlsplit(link).path not in text(browser.get(page_of(user)))
    assert "Open until" in plain(browser.get(page_of(user)))
    newer = browser.post(page_of(user) + "invitation")
    assert "/invitation/" in text(newer)
    assert link not in text(newer)


CHANGES = {
    "email": ({"email": "Dora@example.org"}, "dora has a new e-mail address.", actions.USER_UPDATED),
    "sign-out": ({"reason": "lost laptop"}, "dora signed out everywhere.", actions.USER_SIGNED_OUT),
    "role": ({"role": "auditor", "reason": "new team"}, "dora has a new role.", actions.USER_ROLE_CHANGED),
    "disable": ({"reason": "left the company"}, "dora disabled.", actions.USER_DISABLED),
    "unlock": ({}, "dora unlocked.", actions.USER_UNLOCKED),
}


@pytest.mark.parametrize("slug", CHANGES)
def test_an_operation_is_confirmed_performed_and_recorded(browser, developer, slug):
    given, message, action = CHANGES[slug]
    lock(developer.user)
    path = page_of(developer.user) + slug
    shown = plain(browser.get(path))
    assert USER_OPERATIONS[slug].effect in shown
    assert ("Open sessions 1" in shown) is USER_OPERATIONS[slug].ends_sessions
    response = browser.post(path, given)
    assert (response.status_code, response["Location"]) == (303, page_of(developer.user))
    assert message in plain(browser.get(page_of(developer.user)))
    entry = log_rows().get(action=action, object_id=str(developer.user.id))
    assert given.get("reason", "") in entry.meta


def test_an_admin_enables_a_user_revokes_an_invitation_and_resets_a_second_factor(browser):
    invited, enrolled = make_user(INVITED), make_user(ENROLLED)
    gone = UserFactory(username="gone", is_active=False)
    assert browser.post(page_of(gone) + "enable").status_code == 303
    assert browser.post(page_of(invited) + "revoke-invitation", {"reason": "wrong person"}).status_code == 303
    assert "None. This user cannot sign in." in plain(browser.get(page_of(invited)))
    path = page_of(enrolled) + "reset-second-factor"
    wrong = browser.post(path, {"reason": "lost phone", "name": "someone"})
    assert (wrong.status_code, list(wrong.context["form"].errors)) == (422, ["name"])
    assert browser.post(path, {"reason": "lost phone", "name": f" {enrolled.username} "}).status_code == 303
    assert User.objects.filter(is_active=True, requires_second_factor=False).count() == 4


@pytest.mark.parametrize(
    "slug", ["sign-out", "role", "disable", "reset-password", "reset-second-factor", "revoke-invitation"]
)
def test_a_reason_is_required(browser, developer, slug):
    response = browser.post(page_of(developer.user) + slug, {"role": "auditor", "name": "dora"})
    assert (response.status_code, list(response.context["form"].errors)) == (422, ["reason"])
    assert User.objects.get(pk=developer.user.pk).subject_version == developer.user.subject_version


@pytest.mark.parametrize("slug", ["role", "reset-password", "reset-second-factor", "invitation"])
def test_some_operations_need_a_recent_sign_in(browser, developer, slug):
    session = browser.session
    session[CONFIRMED_AT] = "2026-01-01T00:00:00+00:00"
    session.save()
    path = page_of(developer.user) + slug
    for response in (browser.get(path), browser.post(path, {"role": "auditor", "reason": "because"})):
        assert response["Location"].startswith("/reauth/?next=%2Fusers%2F")
    assert User.objects.get(pk=developer.user.pk).role == "developer"


def test_the_last_administrator_cannot_be_removed_and_the_page_gives_the_reason(browser, admin):
    invitations.invite_user(principal=SYSTEM, username="second", role="admin")
    shown = browser.get(page_of(admin.user))
    assert editing.LAST_ADMIN in plain(shown)
    for slug in ("role", "disable"):
        assert f'href="{page_of(admin.user)}{slug}"' not in text(shown)
        assert editing.LAST_ADMIN in plain(browser.get(page_of(admin.user) + slug))
        refused = browser.post(page_of(admin.user) + slug, {"role": "auditor", "reason": "because"})
        assert refused.status_code == 422
    UserFactory(username="third", role="admin")
    assert editing.LAST_ADMIN not in plain(browser.get(page_of(admin.user)))


def test_an_operation_that_the_state_forbids_gives_the_reason(browser, developer):
    for slug in ("invitation", "enable", "unlock", "reset-second-factor", "revoke-invitation"):
        operation = USER_OPERATIONS[slug]
        assert operation.needs in plain(browser.get(page_of(developer.user) + slug))


def test_the_own_account_is_marked_before_its_session_ends(browser, admin):
    UserFactory(username="second", role="admin")
    assert "Your session ends" in plain(browser.get(page_of(admin.user) + "disable"))
    browser.post(page_of(admin.user) + "disable", {"reason": "leaving"})
    assert browser.get("/users/")["Location"].startswith("/login/")


def test_an_unknown_user_is_not_found(browser):
    assert browser.get("/users/00000000-0000-4000-8000-000000000000/").status_code == 404
    assert browser.get("/users/00000000-0000-4000-8000-000000000000/disable").status_code == 404
