"""Audit events about users, and the declared fields of rows for the audit log. No field is secret."""

from uuid import UUID

from accounts.models import OidcIdentity, Passkey, TotpDevice, User
from audit.log.events import Event
from kernel.labels import check_reason

type Values = dict[str, object]


def user_event(action: str, user_id: UUID, **meta: str) -> Event:
    return Event(action=action, object_type="user", object_id=str(user_id), meta=meta)


def reason_given(reason: str) -> dict[str, str]:
    """The reason of a change as a member of ``meta``, if there is one. Raises Invalid."""
    if not reason:
        return {}
    check_reason(reason)
    return {"reason": reason}


def user_values(user: User) -> Values:
    return {
        "username": user.username,
        "email": user.email,
        "role": user.role,
        "is_active": user.is_active,
        "requires_second_factor": user.requires_second_factor,
        "subject_version": user.subject_version,
    }


def device_values(device: TotpDevice) -> Values:
    return {"user_id": device.user_id, "confirmed": device.confirmed}


def passkey_values(passkey: Passkey) -> Values:
    return {"user_id": passkey.user_id, "name": passkey.name}


def oidc_identity_values(identity: OidcIdentity) -> Values:
    return {"user_id": identity.user_id, "issuer": identity.issuer, "subject": identity.subject}
