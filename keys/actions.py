"""Names of the audit actions for keys."""

from typing import Final

from kernel.actions import Actions

LABELS: Final = Actions()

KEY_LISTED: Final = LABELS.add("keys.key.listed", "List keys")
KEY_READ: Final = LABELS.add("keys.key.read", "View key")
KEY_CREATED: Final = LABELS.add_guarded("keys.key.created", "Create key")
KEY_IMPORTED: Final = LABELS.add_guarded("keys.key.imported", "Import key")
KEY_EXPORTED: Final = LABELS.add_guarded("keys.key.exported", "Export key")
IMPORT_PARAMETERS_CREATED: Final = LABELS.add_guarded(
    "keys.import_parameters.created", "Create import parameters"
)
KEY_UPDATED: Final = LABELS.add_guarded("keys.key.updated", "Update key")
KEY_TRANSFERRED: Final = LABELS.add_guarded("keys.key.transferred", "Transfer key")
KEY_ROTATED: Final = LABELS.add_guarded("keys.key.rotated", "Rotate key")
KEY_ACTIVATED: Final = LABELS.add_guarded("keys.key.activated", "Activate key")
KEY_DISABLED: Final = LABELS.add_guarded("keys.key.disabled", "Disable key")
KEY_ENABLED: Final = LABELS.add_guarded("keys.key.enabled", "Enable key")
KEY_REVOKED: Final = LABELS.add_guarded("keys.key.revoked", "Revoke key")
PUBLIC_KEY_READ: Final = LABELS.add("keys.public_key.read", "View public key")
USAGE_READ: Final = LABELS.add("keys.usage.read", "View usage of key")
IMPACT_READ: Final = LABELS.add("keys.impact.read", "Forecast impact")
SCREAM_TEST_READ: Final = LABELS.add("keys.scream_test.read", "View scream test")
VERSION_LISTED: Final = LABELS.add("keys.version.listed", "List versions")
VERSION_DISABLED: Final = LABELS.add_guarded("keys.version.disabled", "Disable version")
VERSION_ENABLED: Final = LABELS.add_guarded("keys.version.enabled", "Enable version")
ROTATION_LISTED: Final = LABELS.add("keys.rotation.listed", "List rotations")
GRANT_LISTED: Final = LABELS.add("keys.grant.listed", "List grants")
GRANT_CREATED: Final = LABELS.add_guarded("keys.grant.created", "Grant access")
GRANT_REMOVED: Final = LABELS.add_guarded("keys.grant.removed", "Remove grant")
ACCESS_CHECKED: Final = LABELS.add("keys.access.checked", "Check access")
POLICY_LISTED: Final = LABELS.add("keys.policy.listed", "List policies")
POLICY_READ: Final = LABELS.add("keys.policy.read", "View policy")
POLICY_CREATED: Final = LABELS.add_guarded("keys.policy.created", "Create policy")
POLICY_UPDATED: Final = LABELS.add_guarded("keys.policy.updated", "Update policy")
POLICY_PREVIEWED: Final = LABELS.add("keys.policy.previewed", "Preview policy change")
POLICY_DELETED: Final = LABELS.add_guarded("keys.policy.deleted", "Delete policy")
KEY_EXPIRED: Final = LABELS.add("keys.key.expired", "Key expired")
KEY_SUCCEEDED: Final = LABELS.add_guarded("keys.key.succeeded", "Replace key with successor")
ROTATION_JOB_REQUESTED: Final = LABELS.add_guarded("keys.rotation_job.requested", "Request rotation of keys")
ROTATION_JOB_READ: Final = LABELS.add("keys.rotation_job.read", "View rotation of keys")
ROTATION_JOB_FINISHED: Final = LABELS.add("keys.rotation_job.finished", "Finish rotation of keys")
ROTATION_JOB_FAILED: Final = LABELS.add("keys.rotation_job.failed", "Rotate keys")
ROTATION_JOB_CANCELLED: Final = LABELS.add_guarded("keys.rotation_job.cancelled", "Cancel rotation of keys")
KEY_DELETION_SCHEDULED: Final = LABELS.add_guarded("keys.key.deletion_scheduled", "Schedule key deletion")
KEY_DELETION_CANCELLED: Final = LABELS.add_guarded("keys.key.deletion_cancelled", "Cancel key deletion")
KEY_DESTROYED: Final = LABELS.add("keys.key.destroyed", "Destroy key")
VERSION_DESTRUCTION_SCHEDULED: Final = LABELS.add_guarded(
    "keys.version.destruction_scheduled", "Schedule version destruction"
)
VERSION_DESTRUCTION_CANCELLED: Final = LABELS.add_guarded(
    "keys.version.destruction_cancelled", "Cancel version destruction"
)
VERSION_DESTROYED: Final = LABELS.add("keys.version.destroyed", "Destroy version")
MOUNT_CREATED: Final = LABELS.add_guarded("keys.mount.created", "Create mount")
MOUNT_CHANGED: Final = LABELS.add_guarded("keys.mount.changed", "Change mount")
MOUNT_DELETED: Final = LABELS.add_guarded("keys.mount.deleted", "Delete mount")
