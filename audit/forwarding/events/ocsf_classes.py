"""The class and the activity of each action in OCSF. Actions of other apps are named by their codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from audit import actions
from audit.log.events import Outcome
from audit.log.operations import PREFIX as OPERATION_PREFIX


@dataclass(frozen=True, slots=True)
class EventClass:
    uid: int
    name: str
    category: int
    category_name: str


@dataclass(frozen=True, slots=True)
class Activity:
    """``activity_id`` and ``activity_name``. The name of another activity is the label of the action."""

    uid: int
    name: str = ""


API_ACTIVITY: Final = EventClass(6003, "API Activity", 6, "Application Activity")
AUTHENTICATION: Final = EventClass(3002, "Authentication", 3, "Identity & Access Management")
ACCOUNT_CHANGE: Final = EventClass(3001, "Account Change", 3, "Identity & Access Management")
DETECTION_FINDING: Final = EventClass(2004, "Detection Finding", 2, "Findings")

_OTHER: Final = Activity(99)
_LOGON, _LOGOFF = Activity(1, "Logon"), Activity(2, "Logoff")
SIGN_INS: Final[Mapping[str, Activity]] = MappingProxyType(
    {
        "accounts.family.revoked": _LOGOFF,
        "accounts.identity.confirmed": _OTHER,
        "accounts.passkey.used": _OTHER,
        "accounts.recovery_code.used": _OTHER,
        "accounts.service_token.issued": _LOGON,
        "accounts.service_token.used": _OTHER,
        "accounts.session.closed": _LOGOFF,
        "accounts.session.extended": _OTHER,
        "accounts.session.opened": _LOGON,
        "accounts.session.refreshed": _OTHER,
        "accounts.session.revoked": _LOGOFF,
        "accounts.user.signed_out": _LOGOFF,
    }
)
_CREATE, _ENABLE, _DISABLE = Activity(1, "Create"), Activity(2, "Enable"), Activity(5, "Disable")
_PASSWORD_CHANGE, _PASSWORD_RESET = Activity(3, "Password Change"), Activity(4, "Password Reset")
_FACTOR_ENABLE, _FACTOR_DISABLE = Activity(10, "MFA Factor Enable"), Activity(11, "MFA Factor Disable")
ACCOUNT_CHANGES: Final[Mapping[str, Activity]] = MappingProxyType(
    {
        "accounts.client_secret.rotated": _PASSWORD_RESET,
        "accounts.identity.linked": _OTHER,
        "accounts.invitation.accepted": _PASSWORD_CHANGE,
        "accounts.invitation.issued": _OTHER,
        "accounts.invitation.revoked": _OTHER,
        "accounts.passkey.added": _FACTOR_ENABLE,
        "accounts.passkey.changed": _OTHER,
        "accounts.passkey.removed": _FACTOR_DISABLE,
        "accounts.passkey.renamed": _OTHER,
        "accounts.password.changed": _PASSWORD_CHANGE,
        "accounts.password.set": _PASSWORD_RESET,
        "accounts.password_reset.issued": _PASSWORD_RESET,
        "accounts.password_reset.used": _PASSWORD_CHANGE,
        "accounts.recovery_codes.kept": _OTHER,
        "accounts.recovery_codes.replaced": _OTHER,
        "accounts.service_account.changed": _OTHER,
        "accounts.service_account.created": _CREATE,
        "accounts.totp.confirmed": _FACTOR_ENABLE,
        "accounts.totp.enrolled": _OTHER,
        "accounts.totp.removed": _FACTOR_DISABLE,
        "accounts.totp.reset": _FACTOR_DISABLE,
        "accounts.user.created": _CREATE,
        "accounts.user.disabled": _DISABLE,
        "accounts.user.enabled": _ENABLE,
        "accounts.user.role_changed": _OTHER,
        "accounts.user.unlocked": _OTHER,  # "Unlock" is younger than the version of the events
        "accounts.user.updated": _OTHER,
    }
)
_READ, _UPDATE, _DELETE = Activity(2, "Read"), Activity(3, "Update"), Activity(4, "Delete")
_BY_VERB: Final[Mapping[str, Activity]] = MappingProxyType(
    {
        **dict.fromkeys(("added", "created", "imported", "issued", "published", "requested"), _CREATE),
        **dict.fromkeys(("downloaded", "exported", "listed", "opened", "previewed", "read"), _READ),
        **dict.fromkeys(
            ("activated", "changed", "disabled", "enabled", "expired", "revoked", "rotated", "updated"),
            _UPDATE,
        ),
        **dict.fromkeys(("deleted", "destroyed", "removed"), _DELETE),
    }
)
_CLOSE: Final = Activity(3, "Close")


def classified(action: str, outcome: str) -> tuple[EventClass, Activity]:
    """The class of an event and its activity. An unknown action is an API Activity."""
    if action == actions.LOG_ALARMED:
        return DETECTION_FINDING, _CREATE
    if action == actions.ALARM_RESOLVED and outcome == Outcome.OK:
        return DETECTION_FINDING, _CLOSE
    if action in SIGN_INS:
        return AUTHENTICATION, SIGN_INS[action]
    if action in ACCOUNT_CHANGES:
        return ACCOUNT_CHANGE, ACCOUNT_CHANGES[action]
    return API_ACTIVITY, verb_of(action)


def verb_of(action: str) -> Activity:
    """Create, Read, Update or Delete by the last word of the action; another one for cryptographic operations."""
    return _OTHER if action.startswith(OPERATION_PREFIX) else _BY_VERB.get(action.rpartition(".")[2], _OTHER)
