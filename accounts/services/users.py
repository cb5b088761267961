"""Create and change users. A change that removes rights ends every session of the user immediately."""

import re
from uuid import UUID

from django.contrib.auth.hashers import make_password, verify_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts import actions
from accounts.errors import LastAdmin, NameTaken, SessionEnded
from accounts.hashers import hash_slot
from accounts.models import User
from accounts.passwords import require_acceptable
from accounts.principals import Principal, user_entity
from accounts.roles import ADMIN, ROLES
from accounts.services import login_attempts
from accounts.tokens import renew_principal
from accounts.trail import Values, user_event, user_values
from audit.log.events import RowChange
from audit.services import record
from kernel.clock import database_now
from kernel.errors import Invalid, NotFound
from kernel.freshness.epoch import lock_epoch, raise_epoch

USERNAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}", re.ASCII)
USERNAME_RULE = "Use 1 to 64 characters: letters, digits and . _ @ + -. Start with a letter or digit."
UNCHANGED = "The new password must differ from the current password."
WRONG_CURRENT = "The current password is wrong."


def find_user(username: str) -> User:
    """The user with this name, ignoring case. Raises NotFound."""
    user = User.objects.filter(username=username.lower()).first()
    if user is None:
        raise NotFound("There is no user with this name.")
    return user


def get_own_user(*, principal: Principal) -> User:
    """The caller's own account. Raises Denied if the caller is not a person, IntegrityFailed."""
    return User.objects.get(pk=principal.person_id).check_mac()


def create_user(
    *, principal: Principal, username: str, password: str | None, role: str, email: str | None = None
) -> User:
    """Create an active user, with the name and email address in lower case. Raises Denied, Invalid, NameTaken.

    A user without a password signs in through the identity provider only.
    """
    principal.require("users.manage")
    user = User(username=username.lower(), email=(email or "").lower() or None, role=role)
    _require_acceptable(user)
    if password is not None:
        require_acceptable(password, user)
    user.password = make_password(password)
    with transaction.atomic():
        _insert(user)
        changes = [RowChange.of_row(user, after=user_values(user))]
        record(user_event(actions.USER_CREATED, user.id), principal.actor, changes=changes)
        lock_epoch()
        renew_principal(principal)
    return user


def set_password(*, principal: Principal, user_id: UUID, password: str) -> User:
    """Set a user's password and end their sessions. Raises Denied, NotFound, Invalid."""
    principal.require("users.manage")
    require_acceptable(password, User.objects.filter(pk=user_id).first())
    encoded = make_password(password)
    with transaction.atomic():
        user = User.objects.lock(user_id)
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
        raise Invalid.of_field("new", UNCHANGED)
    with hash_slot():
        login_attempts.count(login_attempts.PASSWORD, user.username)
        if not verify_password(current, user.password)[0]:
            raise Invalid.of_field("current", WRONG_CURRENT)
        encoded = make_password(new)
    with transaction.atomic():
        user = User.objects.lock_unchanged(user)
        if user.subject_version != principal.subject_version:
            raise SessionEnded
        user.password = encoded
        _save(user, principal, actions.PASSWORD_CHANGED, ends_sessions=True)
        login_attempts.reset(login_attempts.PASSWORD, user.username)


@transaction.atomic
def set_role(*, principal: Principal, user_id: UUID, role: str) -> User:
    """Change a user's role and end their sessions.

    Raises Denied, RecentAuthRequired, NotFound, Invalid, LastAdmin.
    """
    principal.require("users.manage")
    principal.require_recent_log_in(database_now())
    _require_known_role(role)
    user = _lock_beside_admins(user_id, stays_admin=role == ADMIN)
    if user.role == role:
        return user
    before = user_values(user)
    user.role = role
    return _save(user, principal, actions.USER_ROLE_CHANGED, before, ends_sessions=True)


@transaction.atomic
def disable_user(*, principal: Principal, user_id: UUID) -> User:
    """Disable a user immediately. Raises Denied, NotFound, LastAdmin."""
    principal.require("users.manage")
    user = _lock_beside_admins(user_id, stays_admin=False)
    if not user.is_active:
        return user
    before = user_values(user)
    user.is_active = False
    return _save(user, principal, actions.USER_DISABLED, before, ends_sessions=True)


@transaction.atomic
def enable_user(*, principal: Principal, user_id: UUID) -> User:
    """Allow a disabled user to sign in again. Raises Denied, NotFound."""
    principal.require("users.manage")
    user = User.objects.lock(user_id)
    if user.is_active:
        return user
    before = user_values(user)
    user.is_active = True
    return _save(user, principal, actions.USER_ENABLED, before)


@transaction.atomic
def sign_out_everywhere(*, principal: Principal, user_id: UUID) -> User:
    """End every session of a user. For another user this requires users.manage. Raises Denied, NotFound."""
    if user_id != principal.user_id:
        principal.require("users.manage")
    return _save(User.objects.lock(user_id), principal, actions.USER_SIGNED_OUT, ends_sessions=True)


@transaction.atomic
def unlock_user(*, principal: Principal, user_id: UUID) -> User:
    """Reset the failed sign-ins of a user, including the second factor. Raises Denied, NotFound."""
    principal.require("users.manage")
    user = User.objects.lock(user_id)
    login_attempts.reset(login_attempts.PASSWORD, user.username)
    login_attempts.reset(login_attempts.TOTP, str(user.id))
    record(user_event(actions.USER_UNLOCKED, user.id), principal.actor)
    return user


def _lock_beside_admins(user_id: UUID, *, stays_admin: bool) -> User:
    """Return the user, locked, after checking that an active administrator will remain. Raises LastAdmin."""
    # Lock all administrators in a fixed order. Otherwise two who disable each other at once would both succeed.
    active = User.objects.select_for_update().filter(role=ADMIN, is_active=True).order_by("pk")
    admins = [admin.pk for admin in active]
    user = User.objects.lock(user_id)
    if not stays_admin and admins == [user.pk]:
        raise LastAdmin("This is the last active administrator. Create another administrator first.")
    return user


def _save(
    user: User,
    principal: Principal,
    action: str,
    before: Values | None = None,
    *,
    ends_sessions: bool = False,
) -> User:
    """Save a changed user with an audit event. ``before`` holds the declared fields if those changed."""
    if ends_sessions:
        user.subject_version += 1
    user.save_with_mac()
    changes = [RowChange.of_row(user, before=before, after=user_values(user))] if before else []
    record(user_event(action, user.id), principal.actor, changes=changes)
    raise_epoch(user_entity(user.id))
    if user.pk != principal.user_id:
        # The caller's rights may have ended while this transaction waited for its locks.
        renew_principal(principal)
    return user


def _insert(user: User) -> None:
    try:
        with transaction.atomic():
            user.save_with_mac()
    except IntegrityError:
        field = "username" if User.objects.filter(username=user.username).exists() else "email"
        raise NameTaken.of_field(field, f"Another user already has this {field}.") from None


def _require_acceptable(user: User) -> None:
    if not USERNAME.fullmatch(user.username):
        raise Invalid.of_field("username", USERNAME_RULE)
    _require_known_role(user.role)
    if user.email is not None:
        _require_email(user.email)


def _require_known_role(role: str) -> None:
    if role not in ROLES:
        raise Invalid.of_field("role", f"Choose one of: {', '.join(ROLES)}.")


def _require_email(email: str) -> None:
    try:
        User._meta.get_field("email").run_validators(email)
    except ValidationError:
        raise Invalid.of_field("email", "Enter a valid email address.") from None
