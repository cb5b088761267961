"""Names of the audit actions for keys."""

from collections.abc import Mapping
from typing import Final

KEY_LISTED: Final = "keys.key.listed"
KEY_READ: Final = "keys.key.read"
KEY_CREATED: Final = "keys.key.created"
KEY_IMPORTED: Final = "keys.key.imported"
KEY_EXPORTED: Final = "keys.key.exported"
IMPORT_PARAMETERS_CREATED: Final = "keys.import_parameters.created"
KEY_UPDATED: Final = "keys.key.updated"
KEY_ROTATED: Final = "keys.key.rotated"
KEY_ACTIVATED: Final = "keys.key.activated"
KEY_DISABLED: Final = "keys.key.disabled"
KEY_ENABLED: Final = "keys.key.enabled"
KEY_REVOKED: Final = "keys.key.revoked"
PUBLIC_KEY_READ: Final = "keys.public_key.read"
USAGE_READ: Final = "keys.usage.read"
IMPACT_READ: Final = "keys.impact.read"
VERSION_LISTED: Final = "keys.version.listed"
VERSION_DISABLED: Final = "keys.version.disabled"
VERSION_ENABLED: Final = "keys.version.enabled"
ROTATION_LISTED: Final = "keys.rotation.listed"
GRANT_LISTED: Final = "keys.grant.listed"
GRANT_CREATED: Final = "keys.grant.created"
GRANT_REMOVED: Final = "keys.grant.removed"
ACCESS_CHECKED: Final = "keys.access.checked"
POLICY_LISTED: Final = "keys.policy.listed"
POLICY_READ: Final = "keys.policy.read"
POLICY_CREATED: Final = "keys.policy.created"
POLICY_UPDATED: Final = "keys.policy.updated"
POLICY_PREVIEWED: Final = "keys.policy.previewed"
POLICY_DELETED: Final = "keys.policy.deleted"
KEY_EXPIRED: Final = "keys.key.expired"
KEY_SUCCEEDED: Final = "keys.key.succeeded"
ROTATION_JOB_REQUESTED: Final = "keys.rotation_job.requested"
ROTATION_JOB_READ: Final = "keys.rotation_job.read"
ROTATION_JOB_FINISHED: Final = "keys.rotation_job.finished"
ROTATION_JOB_FAILED: Final = "keys.rotation_job.failed"
ROTATION_JOB_CANCELLED: Final = "keys.rotation_job.cancelled"
KEY_DELETION_SCHEDULED: Final = "keys.key.deletion_scheduled"
KEY_DELETION_CANCELLED: Final = "keys.key.deletion_cancelled"
KEY_DESTROYED: Final = "keys.key.destroyed"
VERSION_DESTRUCTION_SCHEDULED: Final = "keys.version.destruction_scheduled"
VERSION_DESTRUCTION_CANCELLED: Final = "keys.version.destruction_cancelled"
VERSION_DESTROYED: Final = "keys.version.destroyed"

LABELS: Final[Mapping[str, str]] = {
    KEY_LISTED: "List keys",
    KEY_READ: "View key",
    KEY_CREATED: "Create key",
    KEY_IMPORTED: "Import key",
    KEY_EXPORTED: "Export key",
    IMPORT_PARAMETERS_CREATED: "Create import parameters",
    KEY_UPDATED: "Update key",
    KEY_ROTATED: "Rotate key",
    KEY_ACTIVATED: "Activate key",
    KEY_DISABLED: "Disable key",
    KEY_ENABLED: "Enable key",
    KEY_REVOKED: "Revoke key",
    PUBLIC_KEY_READ: "View public key",
    USAGE_READ: "View usage of key",
    IMPACT_READ: "Forecast impact",
    VERSION_LISTED: "List versions",
    VERSION_DISABLED: "Disable version",
    VERSION_ENABLED: "Enable version",
    ROTATION_LISTED: "List rotations",
    GRANT_LISTED: "List grants",
    GRANT_CREATED: "Grant access",
    GRANT_REMOVED: "Remove grant",
    ACCESS_CHECKED: "Check access",
    POLICY_LISTED: "List policies",
    POLICY_READ: "View policy",
    POLICY_CREATED: "Create policy",
    POLICY_UPDATED: "Update policy",
    POLICY_PREVIEWED: "Preview policy change",
    POLICY_DELETED: "Delete policy",
    KEY_EXPIRED: "Key expired",
    KEY_SUCCEEDED: "Replace key with successor",
    ROTATION_JOB_REQUESTED: "Request rotation of keys",
    ROTATION_JOB_READ: "View rotation of keys",
    ROTATION_JOB_FINISHED: "Finish rotation of keys",
    ROTATION_JOB_FAILED: "Rotate keys",
    ROTATION_JOB_CANCELLED: "Cancel rotation of keys",
    KEY_DELETION_SCHEDULED: "Schedule key deletion",
    KEY_DELETION_CANCELLED: "Cancel key deletion",
    KEY_DESTROYED: "Destroy key",
    VERSION_DESTRUCTION_SCHEDULED: "Schedule version destruction",
    VERSION_DESTRUCTION_CANCELLED: "Cancel version destruction",
    VERSION_DESTROYED: "Destroy version",
}
