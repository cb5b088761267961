"""The REST interface for users."""

from datetime import timedelta

import pytest

from accounts import actions, login_attempts, principals
from accounts.models import User
from accounts.principals import Principal
from accounts.sign_in import services as sign_in
from accounts.users.services import invitations
from tests.endpoints import ENROLLED, INVITED, make_passkey, make_user
from tests.factories import UserFactory
from tests.log_entries import log_rows
from tests.personas import PASSWORD

pytestmark = pytest.mark.django_db

SYSTEM = Principal.system("test", "command")
USERS = "/api/v1/users"


def names(response):
    return [row["username"] for row in response.json["results"]]


@pytest.fixture
def people(admin, auditor):
    invitations.invite_user(principal=SYSTEM, username="ines", role="auditor", email="ines@example.org")
    UserFactory(username="gone", is_active=False)
    UserFactory(username="zoe", email="zoe@example.com")


def test_the_list_shows_each_user_and_no_secret(people, admin, auditor):
    for _ in range(5):
        login_attempts.count(login_attempts.PASSWORD, "zoe")
    make_passkey(admin.user)
    response = auditor.api.get(f"{USERS}?limit=2&page=3")
    assert (response.json["count"], names(response)) == (5, ["zoe"])
    assert response.json["next"] is None
    [zoe] = response.json["results"]
    assert set(zoe) == {
        "id", "username", "email", "role", "is_active", "state", "second_factors", "created_at",
        "last_sign_in_at", "locked_until", "invited_until", "reset_until",
    }  # fmt: skip
    assert (zoe["state"], zoe["last_sign_in_at"], zoe["locked_until"] is None) == ("active", None, False)
    ada, aude, gone, ines = auditor.api.get(f"{USERS}?limit=4").json["results"]
    assert (ada["second_factors"], ada["locked_until"]) == (["passkey"], None)
    assert ada["last_sign_in_at"] is not None
    assert (aude["state"], gone["state"], ines["state"]) == ("active", "disabled", "invited")
    assert ines["invited_until"] is not None
    assert "argon2" not in response.raw.content.decode()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("search=EXAMPLE", ["ines", "zoe"]),
        ("search=zo .com", ["zoe"]),
        ("search=100%25", []),
        ("role=auditor", ["aude", "ines"]),
        ("state=invited", ["ines"]),
        ("state=disabled", ["gone"]),
        ("state=active&role=developer", ["zoe"]),
        ("ordering=-username", ["zoe", "ines", "gone", "aude", "ada"]),
        ("ordering=created_at", ["ada", "aude", "ines", "gone", "zoe"]),
    ],
)
def test_the_list_has_filters_and_orders(people, admin, query, expected):
    assert names(admin.api.get(f"{USERS}?{query}")) == expected


@pytest.mark.parametrize("query", ["role=root", "state=asleep", "ordering=password", "page=0", "name=zoe"])
def test_an_unknown_filter_is_named(admin, query):
    response = admin.api.get(f"{USERS}?{query}")
    assert (response.status, response.code) == (400, "invalid_request")
    assert set(response.json["errors"]) == {query.partition("=")[0]}


def test_a_post_without_a_password_invites(admin):
    response = admin.api.post(USERS, {"username": "Nora", "role": "operator", "email": "Nora@example.org"})
    assert (response.status, response.json["username"], response.json["email"]) == (
        201,
        "nora",
        "nora@example.org",
    )
    assert response.headers["Location"] == f"{USERS}/{response.json['id']}"
    assert (
        invitations.check_invitation(code=response.json["invitation_url"].split("/")[-2]).username == "nora"
    )
    again = admin.api.get(response.headers["Location"])
    assert "invitation_url" not in again.json
    assert again.json["state"] == "invited"


def test_a_post_with_a_password_creates_a_user_who_can_sign_in(admin):
    response = admin.api.post(USERS, {"username": "nora", "role": "operator", "password": PASSWORD})
    assert (response.status, response.json["state"]) == (201, "active")
    assert "invitation_url" not in response.json
    assert sign_in.check_password(username="nora", password=PASSWORD)


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"username": "a b"}, 400, "username"),
        ({"username": "ada"}, 409, "username"),
        ({"role": "root"}, 400, "role"),
        ({"email": "nobody"}, 400, "email"),
        ({"password": "short"}, 400, "password"),
        ({"is_active": False}, 400, "is_active"),
    ],
)
def test_a_fault_of_a_new_user_names_its_field(admin, changes, status, field):
    response = admin.api.post(USERS, {"username": "nora", "role": "operator"} | changes)
    assert (response.status, set(response.json["errors"])) == (status, {field})
    assert not User.objects.filter(username="nora").exists()


def test_a_patch_changes_all_fields_or_none(admin, developer):
    path = f"{USERS}/{developer.user.id}"
    response = admin.api.patch(path, {"role": "auditor", "email": "dora@example.org", "reason": "new team"})
    assert (response.status, response.json["role"], response.json["email"]) == (
        200,
        "auditor",
        "dora@example.org",
    )
    assert "new team" in log_rows().get(action=actions.USER_ROLE_CHANGED).meta
    assert log_rows().filter(action=actions.USER_UPDATED).count() == 1
    assert developer.api.get("/auth/me").status == 401
    UserFactory(username="zoe", email="zoe@example.org")
    response = admin.api.patch(path, {"is_active": False, "email": "ZOE@example.org"})
    assert (response.status, response.code, set(response.json["errors"])) == (409, "name_taken", {"email"})
    assert admin.api.patch(path, {"email": None, "is_active": False}).json["state"] == "disabled"
    assert admin.api.patch(path, {"is_active": True}).json["email"] is None


def test_if_match_refuses_a_change_of_a_user_who_has_changed(admin, developer):
    path = f"{USERS}/{developer.user.id}"
    etag = admin.api.get(path).headers["ETag"]
    changed = admin.api.patch(path, {"email": "dora@example.org"}, If_Match=f'"0", {etag}')
    assert changed.status == 200
    assert changed.headers["ETag"] not in {etag, None}
    stale = admin.api.patch(path, {"role": "admin"}, If_Match=etag)
    assert (stale.status, stale.code) == (412, "version_conflict")
    assert User.objects.get(pk=developer.user.pk).role == "developer"
    assert admin.api.patch(path, {"role": "auditor"}, If_Match="*").status == 200
    assert admin.api.patch(path, {"role": "admin"}, If_Match="none").code == "invalid_request"


def test_the_last_administrator_stays(admin):
    path = f"{USERS}/{admin.user.id}"
    for changes in ({"role": "auditor"}, {"is_active": False}, {"role": "auditor", "is_active": False}):
        response = admin.api.patch(path, changes)
        assert (response.status, response.code) == (409, "last_admin")
    assert admin.api.get(path).json["role"] == "admin"


def test_sign_out_unlock_and_reset_respond_with_the_user(admin, developer):
    path = f"{USERS}/{developer.user.id}"
    for _ in range(5):
        login_attempts.count(login_attempts.PASSWORD, "dora")
    assert admin.api.get(path).json["locked_until"] is not None
    assert admin.api.post(f"{path}/unlock").json["locked_until"] is None
    assert admin.api.post(f"{path}/sign-out", {"reason": "lost laptop"}).json["username"] == "dora"
    assert developer.api.get("/auth/me").status == 401
    assert "lost laptop" in log_rows().get(action=actions.USER_SIGNED_OUT).meta
    enrolled = f"{USERS}/{make_user(ENROLLED).id}"
    assert admin.api.get(enrolled).json["second_factors"] == ["totp"]
    assert admin.api.post(f"{enrolled}/reset-totp", {"reason": "lost phone"}).json["second_factors"] == []
    assert "lost phone" in log_rows().get(action=actions.TOTP_RESET).meta
    assert admin.api.post(f"{enrolled}/reset-totp").status == 404


def test_an_invitation_is_replaced_and_revoked(admin):
    path = f"{USERS}/{make_user(INVITED).id}"
    response = admin.api.post(f"{path}/invitation")
    assert (response.status, set(response.json)) == (200, {"id", "invitation_url", "expires_at"})
    assert admin.api.get(path).json["invited_until"] == response.json["expires_at"]
    assert admin.api.delete(f"{path}/invitation").status == 204
    assert (admin.api.get(path).json["state"], admin.api.delete(f"{path}/invitation").status) == (
        "invited",
        404,
    )
    response = admin.api.post(f"{USERS}/{admin.user.id}/invitation")
    assert (response.status, response.code) == (409, "not_invitable")


def test_a_password_is_reset(admin):
    path = f"{USERS}/{make_user().id}"
    response = admin.api.post(f"{path}/password-reset", {"reason": "forgot it"})
    assert (response.status, set(response.json)) == (200, {"id", "reset_url", "expires_at"})
    assert admin.api.get(path).json["reset_until"] == response.json["expires_at"]
    response = admin.api.post(f"{USERS}/{admin.user.id}/password-reset")
    assert (response.status, response.code) == (409, "not_resettable")


def test_an_altered_user_is_not_shown_as_intact(admin, developer):
    User.objects.filter(pk=developer.user.pk).update(role="admin")
    response = admin.api.get(f"{USERS}/{developer.user.id}")
    assert (response.status, response.code) == (503, "integrity_failed")
    assert "dora" in names(admin.api.get(USERS))


def test_giving_a_way_in_needs_a_recent_sign_in(admin, monkeypatch):
    enrolled, invited = (f"{USERS}/{make_user(state).id}" for state in (ENROLLED, INVITED))
    monkeypatch.setattr(principals, "RECENT", timedelta(0))
    for response in (
        admin.api.post(USERS, {"username": "nora", "role": "admin"}),
        admin.api.post(USERS, {"username": "nora", "role": "admin", "password": PASSWORD}),
        admin.api.post(f"{invited}/invitation"),
        admin.api.patch(enrolled, {"role": "operator"}),
        admin.api.post(f"{enrolled}/reset-totp"),
        admin.api.post(f"{enrolled}/password-reset"),
    ):
        assert (response.status, response.code) == (403, "recent_auth_required")
    assert admin.api.patch(enrolled, {"is_active": False}).status == 200
