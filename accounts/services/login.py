"""Logging in: the same answer at the same cost, whoever the name belongs to."""

from dataclasses import dataclass

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, verify_password
from django.db import transaction

from accounts import actions
from accounts.hashers import hash_slot
from accounts.models import User
from accounts.origin import Origin
from accounts.records import user_event
from accounts.services import attempts
from accounts.services.sessions import TokenPair, open_session
from accounts.services.totp import require_second_factor
from audit.services import record
from ciphercanary.errors import Denied, Unauthenticated

WRONG = "Username or password is wrong."


@dataclass(frozen=True, slots=True)
class Verified:
    """A user whose every factor was right, as he stood then; ``auth_method`` names them: ``password+totp``."""

    user: User
    auth_method: str


def log_in(*, username: str, password: str, totp_code: str = "", origin: Origin) -> TokenPair:
    """Open a session for API calls. Called outside any transaction.

    Raises Unauthenticated (one text for every reason), OtpRequired, Throttled.
    """
    # The place is held to the end: so few log-ins are in flight at once that parallel ones with the right
    # password never reach the limit of failures.
    with hash_slot():
        verified = _verify_credentials(username, password, totp_code, origin)
        with transaction.atomic():
            pair = open_session(verified.user, verified.auth_method, origin)
            attempts.forgive(attempts.PASSWORD, username)
    return pair


def log_in_to_admin(*, username: str, password: str, totp_code: str = "", origin: Origin) -> User:
    """The user for whom Django may open a browser session.

    Raises as ``log_in`` does, and Denied where the role has nothing to see there.
    """
    with hash_slot():
        verified = _verify_credentials(username, password, totp_code, origin)
        with transaction.atomic():
            user = User.objects.lock_unchanged(verified.user)
            attempts.forgive(attempts.PASSWORD, username)
            if user.is_staff:
                actor = origin.user(user.id, user.username, auth_method=verified.auth_method)
                record(user_event(actions.SESSION_OPENED, user.id), actor)
    if not user.is_staff:
        raise Denied("Your role may not see the admin site.")
    return user


@transaction.atomic
def log_out_of_admin(*, user: User, origin: Origin) -> None:
    """Record that a browser session ends; Django ends it."""
    record(user_event(actions.SESSION_CLOSED, user.id), origin.user(user.id, user.username))


def known_username(username: str) -> str:
    """The name, if an account has it, else nothing: a password typed into the wrong field is not recorded."""
    return User.objects.filter(username=username.lower()).values_list("username", flat=True).first() or ""


def _verify_credentials(username: str, password: str, totp_code: str, origin: Origin) -> Verified:
    attempts.spend(attempts.PASSWORD, username)
    user = User.objects.filter(username=username.lower()).first()
    # An unusable hash makes Django compute one all the same: a missing account costs what a wrong password does.
    is_right, _ = verify_password(password, user.password if user else UNUSABLE_PASSWORD_PREFIX)
    if user is None or not user.check_mac().is_active or not is_right:
        raise Unauthenticated(WRONG)
    second = require_second_factor(user, totp_code, origin)
    return Verified(user, "+".join(("password", *second)))
