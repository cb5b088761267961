"""Create users, and the rules for usernames and e-mail addresses."""

import re

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts import actions
from accounts.errors import NameTaken
from accounts.models import User
from accounts.models.roles import find_rights, role_descriptions
from accounts.models.users import FEDERATED
from accounts.passwords import require_acceptable
from accounts.principals import Principal
from accounts.roles import Rights
from accounts.tokens.access_tokens import confirm_rights
from accounts.trail import user_event, user_values
from accounts.users.services.new_admins import announce_admin
from audit.log.events import RowChange
from audit.services.recording import record
from kernel.clock import database_now
from kernel.errors import Invalid
from kernel.freshness.epoch import lock_epoch

USERNAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}", re.ASCII)
_USERNAME_RULE = "Use 1 to 64 characters: letters, digits and . _ @ + -. Start with a letter or digit."


def create_user(
    *, principal: Principal, username: str, password: str | None, role: str, email: str | None = None
) -> User:
    """Create an active user, with the name and e-mail address in lower case.

    A user without a password signs in through the identity provider only.
    Raises Denied, RecentAuthRequired (a new user is a way in, like a new role), Invalid, NameTaken.
    """
    principal.require("users.manage")
    principal.require_recent_sign_in(database_now())
    user = new_user(principal, username, role, email)
    if password is not None:
        require_acceptable(password, user)
    user.password = FEDERATED if password is None else make_password(password)
    with transaction.atomic():
        insert_user(user, principal)
        lock_epoch()
        principal.require_rights(require_known_role(role))  # it may have changed meanwhile
        confirm_rights(principal)
    return user


def new_user(principal: Principal, username: str, role: str, email: str | None) -> User:
    """A user without a password, not yet saved. Raises Denied, Invalid."""
    if not USERNAME.fullmatch(username.lower()):
        raise Invalid.of_field("username", _USERNAME_RULE)
    principal.require_rights(require_known_role(role))
    return User(
        username=username.lower(), email=accepted_email(email), role=role, password=make_password(None)
    )


def insert_user(user: User, principal: Principal) -> None:
    """Save the new user and record it. Raises NameTaken. The caller then renews the principal."""
    save_unique(user)
    changes = [RowChange.of_row(user, after=user_values(user))]
    record(user_event(actions.USER_CREATED, user.id), principal.actor, changes=changes)
    announce_admin(user, principal)


def save_unique(user: User) -> None:
    """Save the user. Raises NameTaken, which names the field whose value another user has."""
    try:
        with transaction.atomic():
            user.save_with_mac()
    except IntegrityError:
        others = User.objects.exclude(pk=user.pk)
        field = "username" if others.filter(username=user.username).exists() else "email"
        raise NameTaken.of_field(field, f"Another user already has this {field}.") from None


def require_known_role(role: str) -> Rights:
    """The rights of the role. Raises Invalid if it does not exist, IntegrityFailed."""
    rights = find_rights(role)
    if rights is None:
        raise Invalid.of_field("role", f"Choose one of: {', '.join(role_descriptions())}.")
    return rights


def accepted_email(email: str | None) -> str | None:
    """The address in lower case; None if there is none. Raises Invalid."""
    if not email:
        return None
    try:
        User._meta.get_field("email").run_validators(email.lower())
    except ValidationError:
        raise Invalid.of_field("email", "Enter a valid e-mail address.") from None
    return email.lower()
