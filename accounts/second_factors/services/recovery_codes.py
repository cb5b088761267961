"""The ten recovery codes for a lost authenticator: count the unused ones and replace them all."""

from uuid import UUID

from django.db import transaction

from accounts import actions
from accounts.models import RecoveryCode, TotpDevice, User
from accounts.principals import Principal, user_entity
from accounts.second_factors.one_time_codes import new_recovery_codes, recovery_code_hash
from accounts.tokens.access_tokens import confirm_rights
from accounts.trail import user_event
from audit.services.recording import record
from kernel.clock import database_now
from kernel.errors import NotFound
from kernel.freshness.epoch import raise_epoch
from kernel.trust.row_state import delete_rows


def count_recovery_codes(user_id: UUID) -> int:
    """The number of the user's unused codes."""
    return RecoveryCode.objects.filter(device__user=user_id, device__confirmed=True, used_at=None).count()


@transaction.atomic
def replace_recovery_codes(*, principal: Principal) -> list[str]:
    """Ten new codes, which are never shown again. The old codes become invalid.

    Raises Denied, RecentAuthRequired (a stolen session must not obtain codes), NotFound without an authenticator.
    """
    principal.require_recent_sign_in(database_now())
    user = User.objects.lock(principal.person_id)
    confirm_rights(principal)
    device = TotpDevice.objects.filter(user=user, confirmed=True).first()
    if device is None:
        raise NotFound("No authenticator is set up.")
    delete_rows(RecoveryCode.objects.filter(device=device.check_mac()))
    codes = add_recovery_codes(device)
    record(user_event(actions.RECOVERY_CODES_REPLACED, user.id), principal.actor)
    raise_epoch(user_entity(user.id))
    return codes


def add_recovery_codes(device: TotpDevice) -> list[str]:
    """Create ten codes for the device. Only their hashes are stored."""
    codes = new_recovery_codes()
    for each in codes:
        RecoveryCode(device=device, code_hash=recovery_code_hash(device.id, each)).save_with_mac()
    return codes
