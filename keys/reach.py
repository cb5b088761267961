"""The refusal of a key that is not within the caller's reach."""

from typing import Final
from uuid import UUID

from accounts.authorization import NO_GRANT, READ_KEYS
from accounts.principals import Principal
from kernel.errors import Denied, DomainError, NotFound
from keys.models import Key
from keys.references import KeyReference

_ADVICE: Final = "An administrator or key manager can grant access on the page Access of the key."
_BY_ID: Final = f"This token is limited to this key, but its owner has no grant on it. {_ADVICE}"
_BY_NAME: Final = (
    "The owner of this token has no grant on a key that the token is limited to, and no key with this name is visible "
    f"to it. {_ADVICE}"
)


def out_of_reach(principal: Principal, reference: KeyReference) -> DomainError:
    """NotFound, or Denied for a token that is limited to this key and whose owner lacks a grant on it.

    The refusal depends only on the token and its owner, never on whether a key exists: the owner of a token may choose
    any IDs. A name could reveal the ID of a hidden key. So with a name, only the keys of the token decide.
    """
    if not _lacks_grant(principal, reference):
        return NotFound()
    detail = _BY_ID if isinstance(reference, UUID) else _BY_NAME
    return Denied(detail, extra={"rule": NO_GRANT.rule})


def _lacks_grant(principal: Principal, reference: KeyReference) -> bool:
    key_ids = None if principal.limits is None else principal.limits.key_ids
    if key_ids is None or principal.sees_all(READ_KEYS):
        return False
    if isinstance(reference, UUID):
        return reference in key_ids
    return Key.objects.within_reach_of(principal).count() < len(key_ids)
