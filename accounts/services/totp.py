"""The second factor: enrolling an authenticator app, removing it, and asking for its code at log-in.

Whoever changes a user's second factor holds the lock on the user's row, so that two changes never meet.
"""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from django.db import transaction

from accounts import actions
from accounts.errors import AlreadyEnrolled, OtpRequired
from accounts.models import RecoveryCode, TotpDevice, User
from accounts.one_time_codes import (
    is_totp_code,
    matching_step,
    new_recovery_codes,
    new_seed,
    otpauth_uri,
    recovery_code_hash,
    seed_text,
    tidy,
)
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.services import attempts
from audit.epoch import raise_epoch
from audit.events import Event, RowChange
from audit.services import record
from ciphercanary import kek
from ciphercanary.clock import database_now
from ciphercanary.crypto.material import KeyMaterial
from ciphercanary.errors import Invalid, NotFound, Unauthenticated

type Method = Literal["totp", "recovery_code"]

SEED_LABEL = "cc/sys/v1"
WRONG_CODE = "This is not a present code of the authenticator, or it was used already."


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app must be told: shown once, printed never."""

    secret: str = field(repr=False)
    otpauth_uri: str = field(repr=False)


@transaction.atomic
def enrol_totp(*, principal: Principal) -> Enrolment:
    """Give the caller a new seed. It asks nobody for a code until ``confirm_totp`` has seen one.

    An earlier seed that was never confirmed is replaced. Raises Denied, AlreadyEnrolled.
    """
    user = User.objects.lock(principal.person_id)
    if TotpDevice.objects.devices_for_user(user, confirmed=True).exists():
        raise AlreadyEnrolled("Remove the present authenticator first.")
    TotpDevice.objects.devices_for_user(user, confirmed=False).delete()
    seed, device = new_seed(), TotpDevice(user=user)
    wrapped = kek.wrap(seed, label=SEED_LABEL, parts=_seed_parts(device))
    device.kek_id, device.wrapped = wrapped.kek_id, wrapped.wrapped
    device.save(force_insert=True)
    _record(principal, actions.TOTP_ENROLLED, device)
    return Enrolment(secret=seed_text(seed), otpauth_uri=otpauth_uri(seed, user.username))


@transaction.atomic
def confirm_totp(*, principal: Principal, code: str) -> list[str]:
    """Make the enrolled authenticator count, and return its ten recovery codes: they are never shown again.

    The code is used up by this. Raises Denied, NotFound where nothing was enrolled, AlreadyEnrolled, and
    Invalid for a wrong code. Guesses are not counted: the caller was shown the seed.
    """
    device = _find_device(User.objects.lock(principal.person_id).id)
    if device.confirmed:
        raise AlreadyEnrolled("This authenticator is confirmed already.")
    before, now = _declared(device), database_now()
    step = matching_step(_open_seed(device), tidy(code), now)
    if step is None:
        raise _wrong_field()
    device.confirmed, device.confirmed_at, device.last_step = True, now, step
    device.save(update_fields=["confirmed", "confirmed_at", "last_step"])
    codes = new_recovery_codes()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(device=device, code_hash=recovery_code_hash(device.id, each)) for each in codes
    )
    _record(principal, actions.TOTP_CONFIRMED, device, before)
    raise_epoch()
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
        device = _find_device(User.objects.lock(user_id).id, confirmed=True)
        try:
            _use_code(device, code)
        except Unauthenticated:
            raise _wrong_field() from None
        attempts.forgive(attempts.TOTP, str(user_id))
        _delete(principal, actions.TOTP_REMOVED, device)


@transaction.atomic
def reset_totp(*, principal: Principal, user_id: UUID) -> User:
    """Take another's authenticator away, for whoever lost it and the recovery codes too.

    Raises Denied, RecentAuthRequired, and NotFound where there is no such user or no authenticator.
    """
    principal.require("users.manage")
    principal.require_recent_log_in(database_now())
    user = User.objects.lock(user_id)
    attempts.forgive(attempts.TOTP, str(user_id))
    _delete(principal, actions.TOTP_RESET, _find_device(user_id))
    return user


def require_second_factor(user: User, totp_code: str, origin: Origin) -> tuple[Method, ...]:
    """What the second factor adds to the methods of a log-in: nothing where no authenticator is confirmed.

    Raises OtpRequired without a code, Unauthenticated for one that is wrong, too old or used before, and
    Throttled after five of those. Called outside any transaction: the count and the used code must stay
    whatever becomes of the log-in.
    """
    device = TotpDevice.objects.devices_for_user(user, confirmed=True).first()
    if device is None:
        return ()
    if not totp_code:
        raise OtpRequired("Send a code of your authenticator, or a recovery code, as totp_code.")
    attempts.spend(attempts.TOTP, str(user.id))
    with transaction.atomic(durable=True):
        method = _use_code(device, totp_code)
        if method == "recovery_code":
            actor = origin.user(user.id, user.username, auth_method="password+recovery_code")
            record(_event(actions.RECOVERY_CODE_USED, device), actor)
        attempts.forgive(attempts.TOTP, str(user.id))
    return (method,)


def _use_code(device: TotpDevice, code: str) -> Method:
    """Use a code up by compare-and-set: of any number of simultaneous uses one succeeds. Raises Unauthenticated.

    Accepted steps only ever grow, so a clock that was set back opens no code a second time.
    """
    code, now = tidy(code), database_now()
    if not is_totp_code(code):
        code_hash = recovery_code_hash(device.id, code)
        unused = RecoveryCode.objects.filter(device=device, code_hash=code_hash, used_at=None)
        if not unused.update(used_at=now):
            raise Unauthenticated(WRONG_CODE)
        return "recovery_code"
    step = matching_step(_open_seed(device), code, now)
    if step is None or not _advance(device, step):
        raise Unauthenticated(WRONG_CODE)
    return "totp"


def _advance(device: TotpDevice, step: int) -> bool:
    behind = TotpDevice.objects.filter(pk=device.pk, confirmed=True, last_step__lt=step)
    return bool(behind.update(last_step=step))


def _find_device(user_id: UUID, **conditions: bool) -> TotpDevice:
    device: TotpDevice | None = TotpDevice.objects.filter(user=user_id, **conditions).first()
    if device is None:
        raise NotFound("No authenticator is enrolled.")
    return device


def _delete(principal: Principal, action: str, device: TotpDevice) -> None:
    change = RowChange(
        table_name="totp_devices", record_id=str(device.id), action="delete", old_values=_declared(device)
    )
    record(_event(action, device), principal.actor, changes=[change])
    device.delete()
    raise_epoch()


def _record(
    principal: Principal, action: str, device: TotpDevice, before: dict[str, object] | None = None
) -> None:
    """Record a device as it is now; ``before`` are its declared fields where it existed already."""
    change = RowChange(
        table_name="totp_devices",
        record_id=str(device.id),
        action="update" if before else "insert",
        old_values=before,
        new_values=_declared(device),
    )
    record(_event(action, device), principal.actor, changes=[change])


def _open_seed(device: TotpDevice) -> KeyMaterial:
    wrapped = kek.Wrapped(device.kek_id, bytes(device.wrapped))
    return kek.unwrap(wrapped, label=SEED_LABEL, parts=_seed_parts(device))


def _seed_parts(device: TotpDevice) -> list[bytes]:
    return [b"totp", device.user_id.bytes, device.id.bytes]


def _wrong_field() -> Invalid:
    return Invalid(f"code: {WRONG_CODE}", fields={"code": [WRONG_CODE]})


def _event(action: str, device: TotpDevice) -> Event:
    return Event(action=action, object_type="user", object_id=str(device.user_id))


def _declared(device: TotpDevice) -> dict[str, object]:
    """What the audit trail may show of a row."""
    return {"user_id": device.user_id, "confirmed": device.confirmed}
