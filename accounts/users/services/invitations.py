"""Invitations: an administrator creates a user without a password, and a link lets that user choose one."""

from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import transaction

from accounts import actions
from accounts.errors import InvitationInvalid, NotInvitable
from accounts.models import Invitation, User
from accounts.models.links import digest
from accounts.origin import Origin
from accounts.passwords import require_acceptable
from accounts.principals import Principal, user_entity
from accounts.tokens.access_tokens import confirm_rights
from accounts.trail import reason_given, user_event
from accounts.users import link_codes
from accounts.users.services.creation import insert_user, new_user, require_known_role
from accounts.users.services.one_time_links import IssuedLink, replace_link, user_of_link
from audit.log.events import Event
from audit.services.recording import record
from kernel.clock import database_now
from kernel.errors import NotFound
from kernel.freshness.epoch import lock_epoch, raise_epoch
from kernel.trust.row_state import delete_rows

_NO_INVITATION = "This user has no open invitation."


def invite_user(*, principal: Principal, username: str, role: str, email: str | None = None) -> IssuedLink:
    """Create a user who chooses their password through a link.

    Raises Denied, RecentAuthRequired, Invalid, NameTaken.
    """
    principal.require("users.manage")
    principal.require_recent_sign_in(database_now())
    user = new_user(principal, username, role, email)
    with transaction.atomic():
        insert_user(user, principal)
        return _issue(user, principal)


@transaction.atomic
def reissue_invitation(*, principal: Principal, user_id: UUID) -> IssuedLink:
    """A new link, which replaces the user's previous one.

    Raises Denied, RecentAuthRequired, NotFound, NotInvitable.
    """
    principal.require("users.manage")
    principal.require_recent_sign_in(database_now())
    user = User.objects.lock_managed(principal, user_id)
    if user.can_sign_in:
        raise NotInvitable("This user already has a way to sign in.")
    if not user.is_active:
        raise NotInvitable("This user is disabled. Enable the user first.")
    return _issue(user, principal)


@transaction.atomic
def revoke_invitation(*, principal: Principal, user_id: UUID, reason: str = "") -> None:
    """End the user's link. The user stays, without a password. Raises Denied, NotFound."""
    principal.require("users.manage")
    user = User.objects.lock_managed(principal, user_id)
    found = Invitation.objects.filter(user=user).first()
    if found is None or user.can_sign_in or not found.is_open(database_now()):
        raise NotFound(_NO_INVITATION)
    delete_rows(Invitation.objects.filter(user=user))
    record(user_event(actions.INVITATION_REVOKED, user.id, **reason_given(reason)), principal.actor)
    lock_epoch()
    confirm_rights(principal)


def check_invitation(*, code: str) -> User:
    """The invited user of the link. Raises InvitationInvalid, IntegrityFailed."""
    user = user_of_link(digest(code))
    if user is None or user.can_sign_in:
        raise InvitationInvalid
    return user


def accept_invitation(*, code: str, password: str, origin: Origin) -> User:
    """Set the password of the invited user and end the link. Call it outside any transaction.

    Raises InvitationInvalid, Invalid, IntegrityFailed. Of two concurrent uses, one succeeds.
    """
    invited = check_invitation(code=code)
    require_acceptable(password, invited)
    encoded = make_password(password)
    with transaction.atomic():
        # Every change of the user and of their link takes this lock first. Check the link again under it.
        User.objects.lock(invited.pk)
        user = check_invitation(code=code)
        if user.requires_second_factor:  # the link alone would open a session
            raise InvitationInvalid
        user.password = encoded
        user.save_with_mac(update_fields=["password"])
        delete_rows(Invitation.objects.filter(user=user))
        actor = origin.user(user.id, user.username, auth_method="invitation")
        record(user_event(actions.INVITATION_ACCEPTED, user.id), actor)
        raise_epoch(user_entity(user.id))
    return user


def _issue(user: User, principal: Principal) -> IssuedLink:
    """Replace the user's link. The caller has locked or inserted the user."""
    code = link_codes.new_code()
    expires_at = replace_link(user, digest(code), link_codes.INVITATION_LIFE)
    event = Event(
        action=actions.INVITATION_ISSUED,
        object_type="user",
        object_id=str(user.id),
        meta={"expires_at": expires_at},
    )
    record(event, principal.actor)
    lock_epoch()
    principal.require_rights(require_known_role(user.role))  # it may have changed meanwhile
    confirm_rights(principal)
    return IssuedLink(user, link_codes.invitation_url(code), expires_at)
