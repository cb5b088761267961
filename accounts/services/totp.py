"""The second factor: enrolling an authenticator app, removing it, and asking for its code at log-in.

Whoever changes a user's second factor holds the lock on the user's row, so that two changes never meet.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts import actions
from accounts.errors import AlreadyEnrolled, OtpRequired
from accounts.models import RecoveryCode, TotpDevice, User
from accounts.one_time_codes import (
    is_totp_code,
    matching_step,
    new_seed,
    otpauth_uri,
    recovery_code_hash,
    seed_text,
    tidy,
)
from accounts.origin import Origin
from accounts.principals import Principal, user_entity
from accounts.records import deleted, device_values, inserted, updated, user_event, user_values
from accounts.services import attempts
from accounts.services.recovery_codes import add_recovery_codes, count_recovery_codes
from accounts.tokens import renew_principal
from audit.epoch import raise_epoch
from audit.events import RowChange
from audit.services import record
from ciphercanary import kek, system_keys
from ciphercanary.clock import database_now
from ciphercanary.crypto.material import KeyMaterial
from ciphercanary.errors import Invalid, NotFound, Unauthenticated
from ciphercanary.row_mac import IntegrityFailed

type Method = Literal["totp", "recovery_code"]

TAKEN_UP_FOR = timedelta(minutes=10)  # how long a seed is shown again that was not confirmed
WRONG_CODE = "That code is wrong or has expired."
GONE = (
    "The authenticator that this user needs to sign in was removed outside the application. "
    "Find out who changed the database, then run bin/manage reset_totp."
)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app must be told: shown once, printed never."""

    secret: str = field(repr=False)
    otpauth_uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """How a user stands with his authenticator; ``is_begun``: he may take up the seed he began with."""

    confirmed_at: datetime | None
    is_begun: bool
    recovery_codes_left: int


def get_second_factor(*, principal: Principal) -> SecondFactor:
    """The caller's own. Raises Denied."""
    device = TotpDevice.objects.filter(user=principal.person_id).first()
    return SecondFactor(
        confirmed_at=device.confirmed_at if device else None,
        is_begun=_waiting(principal).exists(),
        recovery_codes_left=count_recovery_codes(principal.person_id),
    )


@transaction.atomic
def enrol_totp(*, principal: Principal) -> Enrolment:
    """Give the caller a new seed. It asks nobody for a code until ``confirm_totp`` has seen one.

    An earlier seed that was never confirmed is replaced. Raises Denied, RecentAuthRequired (a stolen access
    token must not lock its owner out), AlreadyEnrolled.
    """
    principal.require_recent_log_in(database_now())
    user = _lock_caller(principal)
    if user.requires_second_factor:
        raise AlreadyEnrolled("Remove the current authenticator first.")
    TotpDevice.objects.filter(user=user).delete()
    seed, device = new_seed(), TotpDevice(user=user, begun_in=_session_of(principal))
    wrapped = kek.wrap(seed, label=system_keys.LABEL, parts=_seed_parts(device))
    device.kek_id, device.wrapped = wrapped.kek_id, wrapped.wrapped
    device.save_with_mac()
    record(user_event(actions.TOTP_ENROLLED, user.id), principal.actor, changes=[inserted(device)])
    return Enrolment(secret=seed_text(seed), otpauth_uri=otpauth_uri(seed, user.username))


def find_enrolment(*, principal: Principal) -> Enrolment:
    """The seed that the caller began with in this session, within ten minutes, once more.

    Another's is never shown: whoever had the account for a moment must not leave a second factor of his in it,
    for its owner to confirm. Raises Denied, RecentAuthRequired, NotFound where none waits.
    """
    principal.require_recent_log_in(database_now())
    seed = _open_seed(_find_waiting(principal))
    return Enrolment(secret=seed_text(seed), otpauth_uri=otpauth_uri(seed, principal.actor.actor_name))


@transaction.atomic
def confirm_totp(*, principal: Principal, code: str) -> list[str]:
    """Make the enrolled authenticator count, and return its ten recovery codes: they are never shown again.

    The code is used up by this. Raises Denied, RecentAuthRequired, NotFound where this session was shown no seed in the
    last ten minutes, AlreadyEnrolled, and Invalid for a wrong code. Guesses are not counted: the caller was shown the
    seed.
    """
    principal.require_recent_log_in(database_now())
    user = _lock_caller(principal)
    if user.requires_second_factor:
        raise AlreadyEnrolled("This authenticator is already confirmed.")
    device = _find_waiting(principal)
    before, now = device_values(device), database_now()
    step = matching_step(_open_seed(device), tidy(code), now)
    if step is None:
        raise Invalid.of_field("code", WRONG_CODE)
    device.confirmed, device.confirmed_at, device.last_step = True, now, step
    device.save_with_mac(update_fields=["confirmed", "confirmed_at", "last_step"])
    codes = add_recovery_codes(device)
    changes = [updated(device, before), _require_codes_of(user, is_required=True)]
    record(user_event(actions.TOTP_CONFIRMED, user.id), principal.actor, changes=changes)
    raise_epoch(user_entity(user.id))
    return codes


def remove_totp(*, principal: Principal, code: str) -> None:
    """Remove the caller's own authenticator. ``code`` is a present code of it, or a recovery code: a stolen
    access token alone must not be enough to take the second factor away.

    Raises Denied, NotFound, Throttled after five wrong codes, and Invalid for each of those.
    """
    user_id = principal.person_id
    _find_device(user_id, confirmed=True)
    attempts.spend(attempts.TOTP, str(user_id))
    with transaction.atomic():
        user = _lock_caller(principal)
        device = _find_device(user_id, confirmed=True).check_mac()
        try:
            _use_code(device, code)
        except Unauthenticated:
            raise Invalid.of_field("code", WRONG_CODE) from None
        attempts.forgive(attempts.TOTP, str(user_id))
        _remove(principal, actions.TOTP_REMOVED, user)


@transaction.atomic
def reset_totp(*, principal: Principal, user_id: UUID) -> User:
    """Take another's authenticator away, for whoever lost it and the recovery codes too.

    It also mends what was removed outside the application. Raises Denied, RecentAuthRequired, and NotFound
    where there is no such user or no authenticator.
    """
    principal.require("users.manage")
    principal.require_recent_log_in(database_now())
    user = User.objects.lock(user_id)
    if not user.requires_second_factor:
        _find_device(user_id)
    _remove(principal, actions.TOTP_RESET, user)
    # In this order: a log-in takes the authenticator's row first and the count after it, too.
    attempts.forgive(attempts.TOTP, str(user_id))
    renew_principal(principal)
    return user


def require_second_factor(user: User, totp_code: str, origin: Origin) -> tuple[Method, ...]:
    """What the second factor adds to the methods of a log-in: nothing where the user has none.

    Raises OtpRequired without a code, Unauthenticated for one that is wrong, too old or used before,
    Throttled after five of those, and IntegrityFailed where the authenticator was changed or removed outside
    the application. Called outside any transaction: the count and the used code must stay whatever becomes of
    the log-in.
    """
    if not user.requires_second_factor:
        return ()
    if not totp_code:
        raise OtpRequired("Send an authenticator code or a recovery code as totp_code.")
    device = TotpDevice.objects.filter(user=user, confirmed=True).first()
    if device is None:
        raise IntegrityFailed(GONE)
    attempts.spend(attempts.TOTP, str(user.id))
    with transaction.atomic(durable=True):
        method = _use_code(device.check_mac(), totp_code)
        if method == "recovery_code":
            actor = origin.user(user.id, user.username, auth_method="password+recovery_code")
            record(user_event(actions.RECOVERY_CODE_USED, user.id), actor)
        attempts.forgive(attempts.TOTP, str(user.id))
    return (method,)


def _use_code(device: TotpDevice, code: str) -> Method:
    """Use a code up by compare-and-set: of any number of simultaneous uses one succeeds. Raises Unauthenticated.

    Accepted steps only ever grow, so a clock that was set back opens no code a second time.
    """
    code, now = tidy(code), database_now()
    if not is_totp_code(code):
        _use_recovery_code(device, code, now)
        return "recovery_code"
    step = matching_step(_open_seed(device), code, now)
    if step is None or not _advance(device, step):
        raise Unauthenticated(WRONG_CODE)
    return "totp"


def _use_recovery_code(device: TotpDevice, code: str, now: datetime) -> None:
    unused = RecoveryCode.objects.filter(
        device=device, code_hash=recovery_code_hash(device.id, code), used_at=None
    )
    row = unused.first()
    if row is None or not unused.filter(pk=row.check_mac().pk).update(used_at=now):
        raise Unauthenticated(WRONG_CODE)


def _advance(device: TotpDevice, step: int) -> bool:
    behind = TotpDevice.objects.filter(pk=device.pk, confirmed=True, last_step__lt=step)
    return bool(behind.update(last_step=step))


def _find_device(user_id: UUID, **conditions: bool) -> TotpDevice:
    device: TotpDevice | None = TotpDevice.objects.filter(user=user_id, **conditions).first()
    if device is None:
        raise NotFound("No authenticator is set up.")
    return device


def _waiting(principal: Principal) -> QuerySet[TotpDevice]:
    """The seed that this session was shown, while it may be shown again."""
    return TotpDevice.objects.filter(
        user=principal.person_id,
        confirmed=False,
        begun_in=_session_of(principal),
        created_at__gt=database_now() - TAKEN_UP_FOR,
    )


def _find_waiting(principal: Principal) -> TotpDevice:
    device: TotpDevice | None = _waiting(principal).first()
    if device is None:
        raise NotFound("There is no authenticator setup in progress in this session. Start the setup again.")
    return device.check_mac()


def _session_of(principal: Principal) -> UUID | None:
    return principal.browser_session_id or principal.family_id


def _lock_caller(principal: Principal) -> User:
    """The caller's own row. Whoever ends his sessions waits for it: what is true under the lock stays true."""
    user = User.objects.lock(principal.person_id)
    renew_principal(principal)
    return user


def _remove(principal: Principal, action: str, user: User) -> None:
    devices = TotpDevice.objects.filter(user=user)
    changes = [deleted(device) for device in devices]
    devices.delete()
    changes.append(_require_codes_of(user, is_required=False))
    record(user_event(action, user.id), principal.actor, changes=changes)
    raise_epoch(user_entity(user.id))


def _require_codes_of(user: User, *, is_required: bool) -> RowChange:
    before = user_values(user)
    user.requires_second_factor = is_required
    user.save_with_mac(update_fields=["requires_second_factor"])
    return updated(user, before)


def _open_seed(device: TotpDevice) -> KeyMaterial:
    return kek.unwrap(device.wrapped_key, label=system_keys.LABEL, parts=_seed_parts(device))


def _seed_parts(device: TotpDevice) -> list[bytes]:
    return [b"totp", device.user_id.bytes, device.id.bytes]
