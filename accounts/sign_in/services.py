"""Sign-in with a password or a passkey.

The response and its cost are the same whether or not an account has the username.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, verify_password
from django.db import transaction
from webauthn import base64url_to_bytes

from accounts import actions, login_attempts
from accounts.errors import SessionEnded
from accounts.hashers import hash_slot
from accounts.models import Passkey, User
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.second_factors.ceremonies import (
    Ceremony,
    NotAccepted,
    Options,
    State,
    accepting,
    names_owner,
    read_credential,
)
from accounts.second_factors.services.totp import require_second_factor
from accounts.sessions.services.sessions import TokenPair, open_browser_session, open_session
from accounts.trail import user_event
from audit.services.recording import record
from kernel.errors import Unauthenticated
from kernel.trust.row_heads import find_current

_WRONG = "The username or password is wrong."
_PASSKEY_REFUSED = "The passkey was not accepted. Try again, or sign in another way."


def sign_in(*, username: str, password: str, totp_code: str = "", origin: Origin) -> TokenPair:
    """Open a session for API calls. Call it outside any transaction.

    Raises Unauthenticated (one text for every reason), OtpRequired, Throttled.
    """
    # Hold the slot until the end. It limits concurrent sign-ins, so that parallel sign-ins with the right password
    # never reach the limit of failures.
    with hash_slot():
        seen = _check_password(username, password)
        methods = ("password", *require_second_factor(seen, totp_code, origin))
        return open_session(seen, "+".join(methods), origin)


def check_password(*, username: str, password: str) -> User:
    """The user with this password: the first half of a browser sign-in, which does not open a session.

    Raises Unauthenticated, Throttled. Call it outside any transaction.
    """
    with hash_slot():
        return _check_password(username, password)


def sign_in_to_browser(*, user_id: UUID, subject_version: int, totp_code: str = "", origin: Origin) -> User:
    """The second half of a browser sign-in, after ``check_password``. Django may open a session for the returned user.

    ``subject_version`` is the user's version when the password was checked. Raises OtpRequired, Unauthenticated,
    Throttled, and SessionEnded if the user's sessions were ended since. Call it outside any transaction.
    """
    seen = _find_unchanged(user_id, subject_version)
    methods = ("password", *require_second_factor(seen, totp_code, origin))
    return open_browser_session(seen, "+".join(methods), origin)


def confirm_identity(
    *, principal: Principal, password: str = "", totp_code: str = "", origin: Origin
) -> None:
    """Check one factor again, before an action that requires a recent sign-in.

    The factor is a code if the user has an authenticator, and the password otherwise. Raises Denied, OtpRequired,
    Unauthenticated, Throttled. Call it outside any transaction.
    """
    seen = _find_unchanged(principal.person_id, principal.subject_version)
    method: str = "password"
    if seen.requires_second_factor:
        (method,) = require_second_factor(seen, totp_code, origin)
    else:
        with hash_slot():
            _check_password(seen.username, password)
    with transaction.atomic():
        user = User.objects.lock_unchanged(seen)
        login_attempts.reset(login_attempts.PASSWORD, user.username)
        record(
            user_event(actions.IDENTITY_CONFIRMED, user.id),
            origin.user(user.id, user.username, auth_method=method),
        )


def known_username(username: str) -> str:
    """The name if an account has it, otherwise "", so that a password typed into the wrong field is not recorded."""
    return User.objects.filter(username=username.lower()).values_list("username", flat=True).first() or ""


def begin_passkey_sign_in(*, user_id: UUID | None = None) -> tuple[Options, State]:
    """The options and the state for signing in with a passkey.

    If ``user_id`` is given, that user's password was right, and the passkey must be theirs.
    """
    user = User.objects.filter(pk=user_id).first() if user_id else None
    options, state = Ceremony().authenticate_begin(user=user, require_user_verification=True)
    return options, state


def sign_in_with_passkey(
    *, state: State, credential: str, after_password: tuple[UUID, int] | None = None, origin: Origin
) -> User:
    """Complete a passkey sign-in. Django may open a session for the returned user.

    A passkey counts as both factors, or as the second factor after a password. ``after_password`` holds the ID
    and the subject version of the user whose password was right, as read then. Raises Unauthenticated,
    SessionEnded if the user's sessions were ended since, IntegrityFailed. Call it outside any transaction.
    """
    try:
        sent = read_credential(credential)
        with accepting():
            seen = Passkey.get_by_credential_id(base64url_to_bytes(sent["rawId"]))
    except (NotAccepted, Passkey.DoesNotExist):
        raise Unauthenticated(_PASSKEY_REFUSED) from None
    with transaction.atomic():
        user = User.objects.lock(seen.user_id)
        _require_owner(user, sent, after_password)
        try:
            with accepting():
                passkey: Passkey = Ceremony().authenticate_complete(user, state, sent)
        except NotAccepted:
            raise Unauthenticated(_PASSKEY_REFUSED) from None
        login_attempts.reset(login_attempts.PASSWORD, user.username)
        actor = origin.user(
            user.id, user.username, auth_method="password+passkey" if after_password else "passkey"
        )
        record(user_event(actions.PASSKEY_USED, user.id, passkey=str(passkey.pk)), actor)
        record(user_event(actions.SESSION_OPENED, user.id), actor)
    return user


def _check_password(username: str, password: str) -> User:
    login_attempts.count(login_attempts.PASSWORD, username)
    user = find_current(User.objects.filter(username=username.lower()))
    # With an unusable hash Django still computes one, so a missing account costs as much as a wrong password.
    is_right, _ = verify_password(password, user.password if user else UNUSABLE_PASSWORD_PREFIX)
    if user is None or not user.is_active or not is_right:
        raise Unauthenticated(_WRONG)
    return user


def _find_unchanged(user_id: UUID, subject_version: int) -> User:
    user = find_current(User.objects.filter(pk=user_id, is_active=True))
    if user is None or user.subject_version != subject_version:
        raise SessionEnded
    return user


def _require_owner(user: User, sent: Mapping[str, Any], after_password: tuple[UUID, int] | None) -> None:
    if after_password is None:
        if not (user.is_active and names_owner(sent, user)):
            raise Unauthenticated(_PASSKEY_REFUSED)
        return
    if not user.is_active or user.id != after_password[0]:
        raise Unauthenticated(_PASSKEY_REFUSED)
    if user.subject_version != after_password[1]:
        raise SessionEnded
