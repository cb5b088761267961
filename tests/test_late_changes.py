"""A change must not be made with rights that ended during the request."""

from dataclasses import replace

import pytest

from accounts.errors import SessionEnded
from accounts.models import User
from accounts.origin import Origin
from accounts.roles import PERMISSIONS
from accounts.second_factors.services.totp import enrol_totp
from accounts.sessions.services.sessions import open_browser_session, open_session, sign_out
from accounts.tokens.access_tokens import renew_principal
from accounts.tokens.services.signing_keys import rotate_signing_key
from accounts.users.services.creation import create_user
from accounts.users.services.editing import disable_user, set_password
from accounts.users.services.invitations import invite_user, reissue_invitation, revoke_invitation
from accounts.users.services.password_resets import issue_password_reset
from kernel.crypto.material import KeyMaterial
from keys.creation.services import create_key
from keys.models import Key, KeyGrant
from keys.rotation.services.rotating import rotate_key
from keys.states.services import disable_key
from keys.transport.services import import_parameters
from keys.transport.services.exporting import export_key
from tests.endpoints import INVITED, make_user
from tests.factories import GrantFactory, KeyFactory
from tests.personas import PASSWORD

pytestmark = pytest.mark.django_db

ORIGIN = Origin(client_ip="127.0.0.1", user_agent="tests", request_id="late")


@pytest.fixture
def shut_out(admin, developer, operator):
    """Principals that were read before their owners were disabled."""
    key = KeyFactory(name="late-key")
    for persona in (developer, operator):
        disable_user(principal=admin.principal, user_id=persona.user.id)
    return {"developer": developer.principal, "operator": operator.principal, "key": key}


def test_no_one_creates_a_key_after_they_were_disabled(shut_out):
    with pytest.raises(SessionEnded):
        create_key(principal=shut_out["developer"], name="too-late", algorithm="aes-256")
    assert not Key.objects.filter(name="too-late").exists()


def test_no_one_grants_the_use_of_a_key_after_they_were_disabled(shut_out):
    principal = replace(shut_out["operator"], permissions=PERMISSIONS)
    with pytest.raises(SessionEnded):
        GrantFactory(principal=principal, tag="late")
    assert not KeyGrant.objects.exists()


def test_no_one_moves_key_material_after_they_were_disabled(shut_out):
    principal = replace(shut_out["operator"], permissions=PERMISSIONS)
    key = KeyFactory(exportable=True)
    for move in (
        lambda: export_key(principal=principal, key_id=key.id, reason="late", is_private_connection=True),
        lambda: import_parameters._create(principal, KeyMaterial.generate(32)),
    ):
        with pytest.raises(SessionEnded):
            move()


@pytest.mark.parametrize("change", [disable_key, rotate_key])
def test_no_one_changes_a_key_after_they_were_disabled(shut_out, change):
    with pytest.raises(SessionEnded):
        change(principal=shut_out["operator"], key_id=shut_out["key"].id, reason="late")
    shut_out["key"].refresh_from_db()
    assert (shut_out["key"].state, shut_out["key"].primary_version) == ("active", 1)


def test_no_one_enrols_an_authenticator_after_they_were_disabled(shut_out):
    with pytest.raises(SessionEnded):
        enrol_totp(principal=shut_out["developer"])


def test_an_administrator_who_signed_out_changes_no_one(admin, developer):
    invited = make_user(INVITED)
    sign_out(refresh_token=admin.refresh_token, origin=ORIGIN)
    for change in (
        lambda: disable_user(principal=admin.principal, user_id=developer.user.id),
        lambda: set_password(
            principal=admin.principal, user_id=developer.user.id, password="another long one for Dora"
        ),
        lambda: create_user(principal=admin.principal, username="late", password=PASSWORD, role="admin"),
        lambda: invite_user(principal=admin.principal, username="later", role="admin"),
        lambda: reissue_invitation(principal=admin.principal, user_id=invited.id),
        lambda: issue_password_reset(principal=admin.principal, user_id=developer.user.id),
        lambda: revoke_invitation(principal=admin.principal, user_id=invited.id),
    ):
        with pytest.raises(SessionEnded):
            change()
    developer.user.refresh_from_db()
    assert developer.user.is_active
    assert not User.objects.filter(username="late").exists()


def test_an_emergency_rotation_ends_requests_that_are_already_inside(admin, developer):
    renew_principal(developer.principal)
    rotate_signing_key(principal=admin.principal, is_emergency=True)
    with pytest.raises(SessionEnded):
        renew_principal(developer.principal)


def test_a_sign_in_that_saw_no_second_factor_ends_when_one_comes_into_force(developer):
    seen = User.objects.get(pk=developer.user.pk)
    user = User.objects.get(pk=developer.user.pk)
    user.requires_second_factor = True
    user.save_with_mac()
    for open_one in (open_session, open_browser_session):
        with pytest.raises(SessionEnded):
            open_one(seen, "password", ORIGIN)
