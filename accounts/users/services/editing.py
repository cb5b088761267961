"""Change users. A change that removes rights ends every session of the user immediately."""

from collections.abc import Callable
from typing import TypedDict
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import make_password, verify_password
from django.db import transaction

from accounts import actions, login_attempts
from accounts.errors import LastAdmin, SessionEnded
from accounts.hashers import hash_slot
from accounts.models import User, UserQuerySet
from accounts.models.roles import has_role_with
from accounts.passwords import require_acceptable
from accounts.principals import Principal, user_entity
from accounts.roles import MANAGES_USERS
from accounts.tokens.access_tokens import confirm_rights
from accounts.trail import Values, reason_given, user_event, user_values
from accounts.users.services.creation import accepted_email, require_known_role, save_unique
from accounts.users.services.new_admins import announce_admin
from audit.log.events import RowChange
from audit.services.recording import record
from kernel.clock import database_now
from kernel.errors import Invalid, NotFound
from kernel.freshness.epoch import raise_epoch

LAST_ADMIN = "This is the last active administrator: no other user can manage users. Create another administrator first."
_UNCHANGED = "The new password must differ from the current password."
_WRONG_CURRENT = "The current password is wrong."


class UserUpdate(TypedDict, total=False):
    """The fields to change. Omitted fields keep their values."""

    role: str
    is_active: bool
    email: str | None


def find_user(username: str) -> User:
    """The user with this name, ignoring case. Raises NotFound."""
    user = User.objects.filter(username=username.lower()).first()
    if user is None:
        raise NotFound("There is no user with this name.")
    return user


def get_own_user(*, principal: Principal) -> User:
    """The caller's own account. Raises Denied if the caller is not a person, IntegrityFailed."""
    return User.objects.get(pk=principal.person_id).check_mac()


def set_password(*, principal: Principal, user_id: UUID, password: str) -> User:
    """Set a user's password and end their sessions. Raises Denied, NotFound, Invalid."""
    principal.require("users.manage")
    require_acceptable(password, User.objects.filter(pk=user_id).first())
    encoded = make_password(password)
    with transaction.atomic():
        user = User.objects.lock_managed(principal, user_id)
        user.password = encoded
        return _save(user, principal, actions.PASSWORD_SET, ends_sessions=True)


def change_password(*, principal: Principal, current: str, new: str) -> None:
    """Change the caller's password and end all their sessions, including this one. Call it outside any transaction.

    Raises Denied, Invalid (naming the field), SessionEnded, and Throttled after five wrong guesses of the current
    password.
    """
    user = get_own_user(principal=principal)
    require_acceptable(new, user, field="new")
    if new == current:
        raise Invalid.of_field("new", _UNCHANGED)
    with hash_slot():
        login_attempts.count(login_attempts.PASSWORD, user.username)
        if not verify_password(current, user.password)[0]:
            raise Invalid.of_field("current", _WRONG_CURRENT)
        encoded = make_password(new)
    with transaction.atomic():
        user = User.objects.lock_unchanged(user)
        if user.subject_version != principal.subject_version:
            raise SessionEnded
        user.password = encoded
        _save(user, principal, actions.PASSWORD_CHANGED, ends_sessions=True)
        login_attempts.reset(login_attempts.PASSWORD, user.username)


@transaction.atomic
def update_user(
    *,
    principal: Principal,
    user_id: UUID,
    changes: UserUpdate,
    reason: str = "",
    check: Callable[[User], None] | None = None,
) -> User:
    """Change the fields in ``changes``, each as its own function does: all of them, or none.

    ``check`` may refuse the user, after they are locked, with an error of its own. Raises Denied,
    RecentAuthRequired, NotFound, Invalid, NameTaken, LastAdmin.
    """
    principal.require("users.manage")
    user = User.objects.lock(user_id)
    if check is not None:
        check(user)
    if "email" in changes:
        user = set_email(principal=principal, user_id=user_id, email=changes["email"], reason=reason)
    if "role" in changes:
        user = set_role(principal=principal, user_id=user_id, role=changes["role"], reason=reason)
    if "is_active" in changes:
        change = enable_user if changes["is_active"] else disable_user
        user = change(principal=principal, user_id=user_id, reason=reason)
    return user


@transaction.atomic
def set_email(*, principal: Principal, user_id: UUID, email: str | None, reason: str = "") -> User:
    """Change or remove a user's e-mail address. Raises Denied, NotFound, Invalid, NameTaken."""
    principal.require("users.manage")
    user = User.objects.lock_managed(principal, user_id)
    before = user_values(user)
    user.email = accepted_email(email)
    if user.email == before["email"]:
        return user
    return _save(user, principal, actions.USER_UPDATED, before, reason=reason)


@transaction.atomic
def set_role(*, principal: Principal, user_id: UUID, role: str, reason: str = "") -> User:
    """Change a user's role and end their sessions.

    Raises Denied, RecentAuthRequired, NotFound, Invalid, LastAdmin.
    """
    principal.require("users.manage")
    principal.require_recent_sign_in(database_now())
    principal.require_rights(require_known_role(role))
    user = User.objects.lock_managed(principal, user_id)
    if user.role == role:
        return user
    before, was_admin = user_values(user), _is_admin(user)
    user.role = role
    _save(user, principal, actions.USER_ROLE_CHANGED, before, ends_sessions=True, reason=reason)
    principal.require_rights(require_known_role(role))  # it may have changed meanwhile
    if was_admin:
        require_admin()
    announce_admin(user, principal)
    return user


@transaction.atomic
def disable_user(*, principal: Principal, user_id: UUID, reason: str = "") -> User:
    """Disable a user immediately. Raises Denied, NotFound, LastAdmin."""
    principal.require("users.manage")
    user = User.objects.lock_managed(principal, user_id, to_take_away=True)
    if not user.is_active:
        return user
    before, was_admin = user_values(user), _is_admin(user)
    user.is_active = False
    _save(user, principal, actions.USER_DISABLED, before, ends_sessions=True, reason=reason)
    if was_admin:
        require_admin()
    return user


@transaction.atomic
def enable_user(*, principal: Principal, user_id: UUID, reason: str = "") -> User:
    """Allow a disabled user to sign in again. Raises Denied, NotFound."""
    principal.require("users.manage")
    user = User.objects.lock_managed(principal, user_id)
    if user.is_active:
        return user
    before = user_values(user)
    user.is_active = True
    _save(user, principal, actions.USER_ENABLED, before, reason=reason)
    announce_admin(user, principal)
    return user


@transaction.atomic
def sign_out_everywhere(*, principal: Principal, user_id: UUID, reason: str = "") -> User:
    """End every session of a user. For another user this requires users.manage. Raises Denied, NotFound."""
    user = User.objects.lock(user_id)
    if user_id != principal.user_id:
        principal.require("users.manage")
        principal.require_rights(user.rights, to_take_away=True)
    return _save(user, principal, actions.USER_SIGNED_OUT, ends_sessions=True, reason=reason)


@transaction.atomic
def unlock_user(*, principal: Principal, user_id: UUID) -> User:
    """Reset the failed sign-ins of a user, including the second factor. Raises Denied, NotFound."""
    principal.require("users.manage")
    user = User.objects.lock_managed(principal, user_id)
    login_attempts.reset(login_attempts.PASSWORD, user.username)
    login_attempts.reset(login_attempts.TOTP, str(user.id))
    record(user_event(actions.USER_UNLOCKED, user.id), principal.actor)
    return user


def is_last_admin(user: User) -> bool:
    """Whether the user cannot be disabled or get another role. For display: the changes check it under lock."""
    return _is_admin(user) and not any(map(_has_way_in, _active_admins().exclude(pk=user.pk)))


def _is_admin(user: User) -> bool:
    """Whether the user can sign in and manage users."""
    return MANAGES_USERS in user.rights.permissions and user.is_active and _has_way_in(user)


def _active_admins() -> UserQuerySet:
    """All active users who manage users."""
    return User.objects.filter(has_role_with(MANAGES_USERS), is_active=True)


def _has_way_in(user: User) -> bool:
    """A federated user has none while the provider is not configured."""
    return user.has_usable_password() or (user.is_federated and bool(settings.CC_OIDC.issuer))


def require_admin() -> None:
    """Last step of a change that removes an administrator, with the epoch locked exclusively. Raises LastAdmin.

    Of two changes at once, the second one sees the first here.
    """
    if not any(map(_has_way_in, _active_admins())):
        raise LastAdmin(LAST_ADMIN)


def _save(
    user: User,
    principal: Principal,
    action: str,
    before: Values | None = None,
    *,
    ends_sessions: bool = False,
    reason: str = "",
) -> User:
    """Save a changed user with an audit event. ``before`` holds the declared fields if those changed."""
    if ends_sessions:
        user.subject_version += 1
    save_unique(user)
    changes = [RowChange.of_row(user, before=before, after=user_values(user))] if before else []
    record(user_event(action, user.id, **reason_given(reason)), principal.actor, changes=changes)
    raise_epoch(user_entity(user.id))
    if user.pk != principal.user_id:
        # The caller's rights may have ended while this transaction waited for its locks.
        confirm_rights(principal)
    return user
