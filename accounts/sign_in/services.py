"""Sign-in: the same response at the same cost whether or not an account has the username."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, verify_password
from django.db import transaction

from accounts import actions, login_attempts
from accounts.errors import SessionEnded
from accounts.hashers import hash_slot
from accounts.models import User
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.second_factors.services.totp import require_second_factor
from accounts.sessions.services.sessions import TokenPair, open_session
from accounts.trail import user_event
from audit.services.recording import record
from kernel.errors import Unauthenticated

WRONG = "The username or password is wrong."


@dataclass(frozen=True, slots=True)
class Verified:
    """A user who passed every factor, as read at that time. ``auth_method`` names the factors: ``password+totp``."""

    user: User
    auth_method: str


def log_in(*, username: str, password: str, totp_code: str = "", origin: Origin) -> TokenPair:
    """Open a session for API calls. Call it outside any transaction.

    Raises Unauthenticated (one text for every reason), OtpRequired, Throttled.
    """
    # Hold the slot until the end. It limits concurrent sign-ins, so that parallel sign-ins with the right password
    # never reach the limit of failures.
    with hash_slot():
        verified = _verify_credentials(username, password, totp_code, origin)
        with transaction.atomic():
            pair = open_session(verified.user, verified.auth_method, origin)
            login_attempts.reset(login_attempts.PASSWORD, username)
    return pair


def check_password(*, username: str, password: str) -> User:
    """The user with this password: the first half of a browser sign-in, which does not open a session.

    Raises Unauthenticated, Throttled. Call it outside any transaction.
    """
    with hash_slot():
        return _check_password(username, password)


def log_in_to_browser(*, user_id: UUID, subject_version: int, totp_code: str = "", origin: Origin) -> User:
    """The second half of a browser sign-in, after ``check_password``. Django may open a session for the returned user.

    ``subject_version`` is the user's version when the password was checked. Raises OtpRequired, Unauthenticated,
    Throttled, and SessionEnded if the user's sessions were ended since. Call it outside any transaction.
    """
    seen = _find_unchanged(user_id, subject_version)
    methods = ("password", *require_second_factor(seen, totp_code, origin))
    with transaction.atomic():
        user = User.objects.lock_unchanged(seen)
        login_attempts.reset(login_attempts.PASSWORD, user.username)
        actor = origin.user(user.id, user.username, auth_method="+".join(methods))
        record(user_event(actions.SESSION_OPENED, user.id), actor)
    return user


def confirm_identity(
    *, principal: Principal, password: str = "", totp_code: str = "", origin: Origin
) -> None:
    """Check one factor again, before an action that requires a recent sign-in.

    The factor is a code if the user has an authenticator, and the password otherwise. Raises Denied, OtpRequired,
    Unauthenticated, Throttled. Call it outside any transaction.
    """
    seen = _find_unchanged(principal.person_id, principal.subject_version)
    method = "totp"
    if seen.requires_second_factor:
        (method,) = require_second_factor(seen, totp_code, origin)
    else:
        method = "password"
        with hash_slot():
            _check_password(seen.username, password)
    with transaction.atomic():
        user = User.objects.lock_unchanged(seen)
        login_attempts.reset(login_attempts.PASSWORD, user.username)
        record(
            user_event(actions.IDENTITY_CONFIRMED, user.id),
            origin.user(user.id, user.username, auth_method=method),
        )


@transaction.atomic
def log_out_of_browser(*, user: User, origin: Origin) -> None:
    """Record the end of a browser session. Django ends it."""
    record(user_event(actions.SESSION_CLOSED, user.id), origin.user(user.id, user.username))


def known_username(username: str) -> str:
    """The name if an account has it, otherwise "", so that a password typed into the wrong field is not recorded."""
    return User.objects.filter(username=username.lower()).values_list("username", flat=True).first() or ""


def _verify_credentials(username: str, password: str, totp_code: str, origin: Origin) -> Verified:
    user = _check_password(username, password)
    second = require_second_factor(user, totp_code, origin)
    return Verified(user, "+".join(("password", *second)))


def _check_password(username: str, password: str) -> User:
    login_attempts.count(login_attempts.PASSWORD, username)
    user = User.objects.filter(username=username.lower()).first()
    # With an unusable hash Django still computes one, so a missing account costs as much as a wrong password.
    is_right, _ = verify_password(password, user.password if user else UNUSABLE_PASSWORD_PREFIX)
    if user is None or not user.check_mac().is_active or not is_right:
        raise Unauthenticated(WRONG)
    return user


def _find_unchanged(user_id: UUID, subject_version: int) -> User:
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or user.check_mac().subject_version != subject_version:
        raise SessionEnded
    return user
