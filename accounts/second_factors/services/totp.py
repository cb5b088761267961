"""The second factor: enrol and remove an authenticator app, and check its codes at sign-in.

Every change of a user's second factor locks the user's row, so that two changes never run at the same time.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts import actions, login_attempts
from accounts.errors import AlreadyEnrolled, OtpRequired
from accounts.models import RecoveryCode, TotpDevice, User
from accounts.origin import Origin
from accounts.principals import Principal, user_entity
from accounts.second_factors.one_time_codes import (
    clean_code,
    is_totp_code,
    matching_step,
    new_seed,
    otpauth_uri,
    recovery_code_hash,
    seed_text,
)
from accounts.second_factors.services.recovery_codes import add_recovery_codes, count_recovery_codes
from accounts.sessions.services.own_sessions import end_other_sessions
from accounts.tokens.access_tokens import confirm_rights
from accounts.trail import device_values, reason_given, user_event, user_values
from audit.log.events import RowChange
from audit.services.recording import record
from kernel import installation
from kernel.clock import database_now
from kernel.errors import Invalid, NotFound, Unauthenticated
from kernel.freshness.epoch import raise_epoch
from kernel.trust import kek
from kernel.trust.row_heads import find_current
from kernel.trust.row_mac import IntegrityFailed
from kernel.trust.row_state import delete_rows, update_state

type _Method = Literal["totp", "recovery_code"]

_TAKEN_UP_FOR = timedelta(minutes=10)  # how long an unconfirmed seed can be shown again
_WRONG_CODE = "That code is wrong or has expired."
_GONE = (
    "The authenticator that this user needs to sign in was removed outside the application. "
    f"Find out who changed the database, then run {installation.MANAGE} reset_totp."
)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The secret for an authenticator app. Its ``repr`` omits the secret, so that it is never printed."""

    secret: str = field(repr=False)
    otpauth_uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """The state of a user's second factor. ``is_begun`` means that this session has an enrolment it can resume."""

    confirmed_at: datetime | None
    is_begun: bool
    recovery_codes_left: int


def get_second_factor(*, principal: Principal) -> SecondFactor:
    """The state of the caller's second factor. Raises Denied."""
    device = TotpDevice.objects.filter(user=principal.person_id).first()
    return SecondFactor(
        confirmed_at=device.confirmed_at if device else None,
        is_begun=_waiting(principal).exists(),
        recovery_codes_left=count_recovery_codes(principal.person_id),
    )


@transaction.atomic
def enrol_totp(*, principal: Principal) -> Enrolment:
    """Create a new seed for the caller. Sign-in requires no code until ``confirm_totp`` succeeds.

    The new seed replaces an unconfirmed one. Raises Denied, RecentAuthRequired (a stolen access token must not
    lock its owner out), AlreadyEnrolled.
    """
    principal.require_recent_sign_in(database_now())
    user = _lock_caller(principal)
    user.require_local_factors()
    if user.requires_second_factor:
        raise AlreadyEnrolled("Remove the current authenticator first.")
    delete_rows(TotpDevice.objects.filter(user=user))
    seed, device = new_seed(), TotpDevice(user=user, begun_in=_session_of(principal))
    kek.wrap_into(device, seed)
    device.save_with_mac()
    changes = [RowChange.of_row(device, after=device_values(device))]
    record(user_event(actions.TOTP_ENROLLED, user.id), principal.actor, changes=changes)
    return Enrolment(secret=seed_text(seed), otpauth_uri=otpauth_uri(seed, user.username))


def find_enrolment(*, principal: Principal) -> Enrolment:
    """The seed that the caller created in this session within the last ten minutes.

    A seed of another session is never shown: an attacker with brief access to the account must not plant a second
    factor that the owner then confirms. Raises Denied, RecentAuthRequired, NotFound if no enrolment is pending.
    """
    principal.require_recent_sign_in(database_now())
    seed = kek.unwrap_row(_find_waiting(principal))
    return Enrolment(secret=seed_text(seed), otpauth_uri=otpauth_uri(seed, principal.actor.actor_name))


@transaction.atomic
def confirm_totp(*, principal: Principal, code: str) -> list[str]:
    """Activate the enrolled authenticator and return its ten recovery codes, which are never shown again.

    The code is used up. If the caller's role requires a second factor, their other sessions end. Raises Denied,
    RecentAuthRequired, NotFound if this session created no seed in the last ten minutes, AlreadyEnrolled, and Invalid for a wrong code. Guesses are not counted, because the caller has
    seen the seed.
    """
    principal.require_recent_sign_in(database_now())
    user = _lock_caller(principal)
    if user.requires_second_factor:
        raise AlreadyEnrolled("This authenticator is already confirmed.")
    device = _find_waiting(principal)
    before, now = device_values(device), database_now()
    step = matching_step(kek.unwrap_row(device), clean_code(code), now)
    if step is None:
        raise Invalid.of_field("code", _WRONG_CODE)
    device.confirmed, device.confirmed_at, device.last_step = True, now, step
    device.save_with_mac(update_fields=["confirmed", "confirmed_at", "last_step"])
    codes = add_recovery_codes(device)
    change = RowChange.of_row(device, before=before, after=device_values(device))
    changes = [change, _require_codes_of(user, is_required=True)]
    record(user_event(actions.TOTP_CONFIRMED, user.id), principal.actor, changes=changes)
    if principal.must_enrol:
        # The password alone may have opened the others. Without this, they would gain the rights of the role.
        end_other_sessions(principal=principal)
    raise_epoch(user_entity(user.id))
    return codes


def remove_totp(*, principal: Principal, code: str) -> None:
    """Remove the caller's own authenticator.

    ``code`` is a current code or a recovery code: a stolen access token alone must not be enough to remove the
    second factor. Raises Denied, NotFound, Throttled after five wrong codes, and Invalid for each of those.
    """
    user_id = principal.person_id
    _find_device(user_id, confirmed=True)
    login_attempts.count(login_attempts.TOTP, str(user_id))
    with transaction.atomic():
        user = _lock_caller(principal)
        device = _find_device(user_id, confirmed=True).check_mac()
        try:
            _use_code(device, code)
        except Unauthenticated:
            raise Invalid.of_field("code", _WRONG_CODE) from None
        login_attempts.reset(login_attempts.TOTP, str(user_id))
        _remove(principal, actions.TOTP_REMOVED, user)


@transaction.atomic
def reset_totp(*, principal: Principal, user_id: UUID, reason: str = "") -> User:
    """Remove the authenticator of a user who has lost it together with the recovery codes.

    It also repairs an account whose authenticator was removed outside the application. Raises Denied,
    RecentAuthRequired, and NotFound if there is no such user or no authenticator.
    """
    principal.require("users.manage")
    principal.require_recent_sign_in(database_now())
    user = User.objects.lock_managed(principal, user_id)
    if not user.requires_second_factor:
        _find_device(user_id)
    _remove(principal, actions.TOTP_RESET, user, **reason_given(reason))
    # Lock the authenticator row before the counter, as sign-in does, to avoid a deadlock.
    login_attempts.reset(login_attempts.TOTP, str(user_id))
    confirm_rights(principal)
    return user


def require_second_factor(user: User, totp_code: str, origin: Origin) -> tuple[_Method, ...]:
    """Check the second factor of a sign-in. Returns the method used, or nothing if the user has no second factor.

    Raises OtpRequired without a code, Unauthenticated for a code that is wrong, too old or used before, Throttled
    after five of those, and IntegrityFailed if the authenticator was changed or removed outside the application.
    Call it outside any transaction, because the count and the used code must persist even if the sign-in fails.
    """
    if not user.requires_second_factor:
        return ()
    if not totp_code:
        raise OtpRequired("Send an authenticator code or a recovery code as totp_code.")
    device = find_current(TotpDevice.objects.filter(user=user, confirmed=True))
    if device is None:
        raise IntegrityFailed(_GONE)
    login_attempts.count(login_attempts.TOTP, str(user.id))
    with transaction.atomic(durable=True):
        method = _use_code(device, totp_code)
        if method == "recovery_code":
            actor = origin.user(user.id, user.username, auth_method="password+recovery_code")
            record(user_event(actions.RECOVERY_CODE_USED, user.id), actor)
        login_attempts.reset(login_attempts.TOTP, str(user.id))
    return (method,)


def _use_code(device: TotpDevice, code: str) -> _Method:
    """Use a code by compare-and-set: of several simultaneous uses, one succeeds. Raises Unauthenticated.

    The last accepted step only increases, so a clock that was set back does not make a code valid again.
    """
    code, now = clean_code(code), database_now()
    if not is_totp_code(code):
        _use_recovery_code(device, code, now)
        return "recovery_code"
    step = matching_step(kek.unwrap_row(device), code, now)
    if step is None or not _advance(device, step):
        raise Unauthenticated(_WRONG_CODE)
    return "totp"


def _use_recovery_code(device: TotpDevice, code: str, now: datetime) -> None:
    unused = RecoveryCode.objects.filter(
        device=device, code_hash=recovery_code_hash(device.id, code), used_at=None
    )
    row = find_current(unused)
    if row is None or not update_state(row, used_at=now):
        raise Unauthenticated(_WRONG_CODE)


def _advance(device: TotpDevice, step: int) -> bool:
    behind = TotpDevice.objects.filter(pk=device.pk, confirmed=True, last_step__lt=step)
    return bool(behind.update(last_step=step))


def _find_device(user_id: UUID, **conditions: bool) -> TotpDevice:
    device: TotpDevice | None = TotpDevice.objects.filter(user=user_id, **conditions).first()
    if device is None:
        raise NotFound("No authenticator is set up.")
    return device


def _waiting(principal: Principal) -> QuerySet[TotpDevice]:
    """The unconfirmed seed of this session, while it can still be shown."""
    return TotpDevice.objects.filter(
        user=principal.person_id,
        confirmed=False,
        begun_in=_session_of(principal),
        created_at__gt=database_now() - _TAKEN_UP_FOR,
    )


def _find_waiting(principal: Principal) -> TotpDevice:
    device: TotpDevice | None = _waiting(principal).first()
    if device is None:
        raise NotFound("There is no authenticator setup in progress in this session. Start the setup again.")
    return device.check_mac()


def _session_of(principal: Principal) -> UUID | None:
    return principal.browser_session_id or principal.family_id


def _lock_caller(principal: Principal) -> User:
    """The caller's user row, locked. Ending their sessions requires the same lock, so checks under it stay valid."""
    user = User.objects.lock(principal.person_id)
    confirm_rights(principal)
    return user


def _remove(principal: Principal, action: str, user: User, **meta: str) -> None:
    devices = TotpDevice.objects.filter(user=user)
    changes = [RowChange.of_row(device, before=device_values(device)) for device in devices]
    delete_rows(devices)
    changes.append(_require_codes_of(user, is_required=False))
    record(user_event(action, user.id, **meta), principal.actor, changes=changes)
    raise_epoch(user_entity(user.id))


def _require_codes_of(user: User, *, is_required: bool) -> RowChange:
    before = user_values(user)
    user.requires_second_factor = is_required
    user.save_with_mac(update_fields=["requires_second_factor"])
    return RowChange.of_row(user, before=before, after=user_values(user))
