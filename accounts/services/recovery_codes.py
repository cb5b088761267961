"""The ten codes for the day the authenticator is lost: how many are left, and new ones instead."""

from uuid import UUID

from django.db import transaction

from accounts import actions
from accounts.models import RecoveryCode, TotpDevice, User
from accounts.one_time_codes import new_recovery_codes, recovery_code_hash
from accounts.principals import Principal, user_entity
from accounts.records import user_event
from accounts.tokens import renew_principal
from audit.epoch import raise_epoch
from audit.services import record
from ciphercanary.clock import database_now
from ciphercanary.errors import NotFound


def count_recovery_codes(user_id: UUID) -> int:
    """How many of the user's codes are unused."""
    return RecoveryCode.objects.filter(device__user=user_id, device__confirmed=True, used_at=None).count()


@transaction.atomic
def replace_recovery_codes(*, principal: Principal) -> list[str]:
    """Ten new codes, never shown again; the old ones open nothing from now on.

    Raises Denied, RecentAuthRequired (a stolen session must not take codes along), NotFound without an authenticator.
    """
    principal.require_recent_log_in(database_now())
    user = User.objects.lock(principal.person_id)
    renew_principal(principal)
    device = TotpDevice.objects.filter(user=user, confirmed=True).first()
    if device is None:
        raise NotFound("No authenticator is set up.")
    RecoveryCode.objects.filter(device=device.check_mac()).delete()
    codes = add_recovery_codes(device)
    record(user_event(actions.RECOVERY_CODES_REPLACED, user.id), principal.actor)
    raise_epoch(user_entity(user.id))
    return codes


def add_recovery_codes(device: TotpDevice) -> list[str]:
    """Ten new codes of the device; only their hashes are kept."""
    codes = new_recovery_codes()
    for each in codes:
        RecoveryCode(device=device, code_hash=recovery_code_hash(device.id, each)).save_with_mac()
    return codes
