"""User managers and key managers: neither can become, make or take over someone with more rights."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from accounts.custom_roles.services import create_role, delete_role, update_role
from accounts.errors import LastAdmin
from accounts.roles import ROLES, SYSTEM_RIGHTS, Rights
from accounts.second_factors.services import passkeys, totp
from accounts.service_accounts.services import accounts, tokens
from accounts.users.services import creation, editing, invitations, password_resets
from kernel.clock import database_now
from kernel.errors import Denied
from tests.browsing import signed_in, text
from tests.factories import SYSTEM, UserFactory
from tests.personas import PASSWORD, make_persona, make_service_account

pytestmark = pytest.mark.django_db
NO_OVERLAP = timedelta(0)


@pytest.fixture
def uma(user_manager):
    return user_manager.principal


def test_no_one_gives_rights_that_they_lack_beyond_those_of_a_developer(uma):
    given = {role for role, rights in ROLES.items() if not uma.lacks(rights)}
    assert given == {"user_manager", "developer"}
    own_only = Rights("custom", ROLES["auditor"].permissions, frozenset())
    assert uma.lacks(own_only) == {"audit.export", "system.read"}
    assert uma.lacks(Rights("custom", frozenset(), frozenset({"crypto.decrypt"}))) == {"crypto.decrypt"}
    admin = replace(uma, rights=ROLES["admin"])
    assert not any(admin.lacks(rights) for rights in (*ROLES.values(), SYSTEM_RIGHTS))


def managing_a_user(principal, user_id):
    """Each change of a user by another, as a call without arguments."""
    about = {"principal": principal, "user_id": user_id}
    return [
        lambda: editing.set_password(**about, password=PASSWORD + "!"),
        lambda: editing.update_user(**about, changes={"email": "a@example.org"}),
        lambda: editing.set_email(**about, email="a@example.org"),
        lambda: editing.set_role(**about, role="developer"),
        lambda: editing.disable_user(**about),
        lambda: editing.enable_user(**about),
        lambda: editing.sign_out_everywhere(**about),
        lambda: editing.unlock_user(**about),
        lambda: invitations.reissue_invitation(**about),
        lambda: invitations.revoke_invitation(**about),
        lambda: password_resets.issue_password_reset(**about),
        lambda: totp.reset_totp(**about),
        lambda: passkeys.remove_passkeys_of(**about),
    ]


def test_a_user_with_more_rights_is_out_of_reach(uma, auditor):
    for change in managing_a_user(uma, auditor.user.id):
        with pytest.raises(Denied) as refusal:
            change()
        assert refusal.value.extra == {"rule": "more-rights"}


def test_a_user_manager_makes_and_changes_developers_only(uma, developer):
    for create, more in ((creation.create_user, {"password": PASSWORD}), (invitations.invite_user, {})):
        create(principal=uma, username=f"new-{create.__name__}", role="developer", **more)
        with pytest.raises(Denied, match=r"keys\.destroy"):
            create(principal=uma, username="second", role="key_manager", **more)
    editing.set_role(principal=uma, user_id=developer.user.id, role="user_manager")
    with pytest.raises(Denied, match="not have"):
        editing.set_role(principal=uma, user_id=developer.user.id, role="admin")
    editing.set_email(principal=uma, user_id=developer.user.id, email="d@example.org")


def test_service_accounts_with_more_rights_are_out_of_reach(uma, admin):
    powerful = make_service_account("powerful", "operator")
    request = tokens.TokenRequest(
        name="t",
        scopes=["keys.read"],
        expires_at=database_now() + timedelta(hours=1),
        account_id=powerful.user.id,
    )
    existing = tokens.create_token(principal=admin.principal, request=request).token
    for change in (
        lambda: accounts.create_service_account(principal=uma, name="another", role="operator"),
        lambda: accounts.update_service_account(
            principal=uma, account_id=powerful.user.id, changes={"role": "developer"}
        ),
        lambda: accounts.rotate_client_secret(principal=uma, account_id=powerful.user.id, overlap=NO_OVERLAP),
        lambda: tokens.create_token(principal=uma, request=request),
        lambda: tokens.rotate_token(principal=uma, token_id=existing.id, overlap=NO_OVERLAP),
        lambda: tokens.revoke_token(principal=uma, token_id=existing.id),
    ):
        with pytest.raises(Denied) as refusal:
            change()
        assert refusal.value.extra == {"rule": "more-rights"}
    app = accounts.create_service_account(principal=uma, name="app", role="developer").account
    accounts.update_service_account(principal=uma, account_id=app.id, changes={"is_active": False})


def test_the_last_administrator_is_the_last_who_manages_users(uma):
    with pytest.raises(LastAdmin):
        editing.disable_user(principal=uma, user_id=uma.user_id)
    UserFactory(username="second", role="user_manager")
    editing.set_role(principal=uma, user_id=uma.user_id, role="developer")


def test_an_administrator_who_uses_no_keys_is_refused(settings):
    settings.CC_ADMIN_USES_KEYS = False
    admin = make_persona("ada", "admin")
    message = {"key_id": str(UUID(int=1)), "algorithm": "aes-256-gcm", "data": "aGk="}
    refused = admin.api.post("/api/v1/encrypt", message)
    assert (refused.status, refused.json["rule"]) == (403, "role:admin")
    assert admin.api.get("/api/v1/users").status == 200


def test_an_administrator_who_uses_no_keys_can_still_stop_those_who_do(settings, admin, uma):
    role = create_role(
        principal=SYSTEM, name="exporter", permissions=["keys.export"], requires_second_factor=False
    )
    settings.CC_ADMIN_USES_KEYS = False
    user, application = make_persona("rita", "exporter"), make_service_account("app", "exporter")
    admin = make_persona("amy", "admin").principal
    ada = {"principal": admin, "user_id": user.user.id}
    for refused in (
        lambda: editing.set_password(**ada, password=PASSWORD + "!"),
        lambda: editing.disable_user(principal=uma, user_id=user.user.id),
        lambda: editing.sign_out_everywhere(principal=uma, user_id=user.user.id),
        lambda: tokens.revoke_token(principal=uma, token_id=application.principal.limits.token_id),
        lambda: accounts.update_service_account(
            principal=admin, account_id=application.user.id, changes={"description": "d"}
        ),
        lambda: delete_role(principal=uma, name=role.name),
        lambda: update_role(principal=admin, name=role.name, changes={"description": "more"}),
    ):
        with pytest.raises(Denied, match=r"keys\.export"):
            refused()
    assert "Disable" in text(signed_in(make_persona("abe", "admin")).get(f"/users/{user.user.id}/"))
    tokens.revoke_token(principal=admin, token_id=application.principal.limits.token_id)
    accounts.update_service_account(
        principal=admin, account_id=application.user.id, changes={"is_active": False}
    )
    editing.sign_out_everywhere(**ada)
    editing.disable_user(**ada)
    update_role(principal=admin, name=role.name, changes={"permissions": ["keys.read"]})
