"""The severity of an event: the log has none, and receivers sort by it."""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from audit import actions
from audit.log import action_labels
from audit.log.events import Outcome


class Severity(IntEnum):
    """``severity_id`` of OCSF."""

    INFORMATIONAL = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5

    @property
    def of_syslog(self) -> int:
        """The severity of RFC 5424, section 6.2.1: from 6, informational, to 2, critical."""
        return 7 - self

    @property
    def word(self) -> str:
        return self.name.lower()


# Of a success. Actions of other apps are named by their codes, because the log imports no app.
_OF_SUCCESS: Mapping[str, Severity] = MappingProxyType(
    {
        actions.LOG_ROLLBACK_ACCEPTED: Severity.HIGH,
        "accounts.family.revoked": Severity.HIGH,
        "accounts.password.set": Severity.MEDIUM,
        "accounts.password_reset.issued": Severity.MEDIUM,
        "accounts.totp.reset": Severity.MEDIUM,
        "accounts.user.role_changed": Severity.MEDIUM,
        "audit.backup.restored": Severity.MEDIUM,
        "audit.kek.copied": Severity.MEDIUM,
        actions.LOG_TARGET_DELETED: Severity.MEDIUM,
        actions.LOG_TARGET_DISABLED: Severity.MEDIUM,
        actions.LOG_TARGET_RESET: Severity.MEDIUM,
        "console.kek.retired": Severity.MEDIUM,
        "keys.key.destroyed": Severity.MEDIUM,
        "keys.key.exported": Severity.MEDIUM,
        "keys.key.revoked": Severity.MEDIUM,
        "keys.version.destroyed": Severity.MEDIUM,
    }
)


def severity_of(action: str, outcome: str) -> Severity:
    """Alarms are critical, and a failed verification of the log is high.

    Otherwise a success is informational, or low if it changes keys, access or accounts. A refusal is one
    level higher, but not lower than a success that has a severity of its own.
    """
    if action == actions.LOG_ALARMED:
        return Severity.CRITICAL
    if action in {actions.LOG_VERIFIED, actions.PASS_FINISHED} and outcome == Outcome.ERROR:
        return Severity.HIGH
    of_success = Severity.LOW if action_labels.is_guarded(action) else Severity.INFORMATIONAL
    success = _OF_SUCCESS.get(action, of_success)
    return success if outcome == Outcome.OK else max(success, Severity(of_success + 1))
