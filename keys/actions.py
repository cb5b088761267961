"""Names of the audit actions for keys."""

from collections.abc import Mapping
from typing import Final

KEY_LISTED: Final = "keys.key.listed"
KEY_READ: Final = "keys.key.read"
KEY_CREATED: Final = "keys.key.created"
KEY_UPDATED: Final = "keys.key.updated"
KEY_ROTATED: Final = "keys.key.rotated"
KEY_ACTIVATED: Final = "keys.key.activated"
KEY_DISABLED: Final = "keys.key.disabled"
KEY_ENABLED: Final = "keys.key.enabled"
KEY_REVOKED: Final = "keys.key.revoked"
VERSION_LISTED: Final = "keys.version.listed"
VERSION_DISABLED: Final = "keys.version.disabled"
VERSION_ENABLED: Final = "keys.version.enabled"
ROTATION_LISTED: Final = "keys.rotation.listed"
GRANT_LISTED: Final = "keys.grant.listed"
GRANT_CREATED: Final = "keys.grant.created"
GRANT_REMOVED: Final = "keys.grant.removed"
ACCESS_CHECKED: Final = "keys.access.checked"

LABELS: Final[Mapping[str, str]] = {
    KEY_LISTED: "List keys",
    KEY_READ: "View key",
    KEY_CREATED: "Create key",
    KEY_UPDATED: "Update key",
    KEY_ROTATED: "Rotate key",
    KEY_ACTIVATED: "Activate key",
    KEY_DISABLED: "Disable key",
    KEY_ENABLED: "Enable key",
    KEY_REVOKED: "Revoke key",
    VERSION_LISTED: "List versions",
    VERSION_DISABLED: "Disable version",
    VERSION_ENABLED: "Enable version",
    ROTATION_LISTED: "List rotations",
    GRANT_LISTED: "List grants",
    GRANT_CREATED: "Grant access",
    GRANT_REMOVED: "Remove grant",
    ACCESS_CHECKED: "Check access",
}
