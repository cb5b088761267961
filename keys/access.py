"""The rights of a principal on a key, and the rule that decides about each."""

from uuid import UUID

from accounts.authorization import Verdict, authorize
from accounts.holders import find_holder
from accounts.principals import Principal
from accounts.roles import GRANTABLE, permission_of
from kernel.clock import process_now
from kernel.errors import Invalid
from keys import capabilities
from keys.access.services import READ
from keys.ring import keyring


def check_access(
    *, principal: Principal, key_id: UUID, holder_id: UUID, operation: str, client_ip: str = ""
) -> Verdict:
    """Whether a user or service account may do ``operation`` with the key now, and the rule that decides.

    Rules are those of ``authorize``, ``disabled`` for a disabled holder, ``second_factor_required`` for a user who must
    set one up first, and ``state:<state>`` if the key's state forbids the operation. Raises Denied, NotFound, Invalid.
    """
    principal.require(READ)
    if operation not in GRANTABLE:
        raise Invalid.of_field("operation", f"Choose one of: {', '.join(GRANTABLE)}.")
    entry = keyring.find_current(key_id, principal)
    holder = find_holder(holder_id)
    if not holder.is_active:
        return Verdict(False, "disabled")
    if holder.must_enrol:
        return Verdict(False, "second_factor_required")
    now = process_now()
    verdict = authorize(holder, permission_of(operation), entry, now=now, client_ip=client_ip)
    at = entry.lifecycle_state(now)
    if verdict.is_allowed and operation not in capabilities.operations(entry, at.state):
        return Verdict(False, f"state:{at.state}")
    return verdict
