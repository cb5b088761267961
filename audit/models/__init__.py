"""The tables of the log, of the tree over it, and of usage totals."""

from audit.models.alarms import RESOLVE_PERMISSION, AuditAlarm
from audit.models.bundles import AuditBundle
from audit.models.checkpoint_keys import CheckpointKey
from audit.models.exports import EXPORT_PERMISSION, AuditExport
from audit.models.log_targets import MANAGE_TARGETS, READ_TARGETS, LogTarget
from audit.models.logs import READ_PERMISSION, AuditLog, AuditTrail, Integrity, Reader
from audit.models.passes import AuditPass
from audit.models.saved_filters import LOG, FilteredList, SavedFilter
from audit.models.segments import AuditRemoval, AuditSegment
from audit.models.tree import AuditCheckpoint, AuditLeaf, AuditReceipt, AuditTile, AuditTree
from audit.models.usage import TokenLastUse, UsageDay, UsageRollup
from audit.models.verifications import AuditVerification
from audit.models.witness import WitnessedLog, WitnessKey

__all__ = [
    "EXPORT_PERMISSION",
    "LOG",
    "MANAGE_TARGETS",
    "READ_PERMISSION",
    "READ_TARGETS",
    "RESOLVE_PERMISSION",
    "AuditAlarm",
    "AuditBundle",
    "AuditCheckpoint",
    "AuditExport",
    "AuditLeaf",
    "AuditLog",
    "AuditPass",
    "AuditReceipt",
    "AuditRemoval",
    "AuditSegment",
    "AuditTile",
    "AuditTrail",
    "AuditTree",
    "AuditVerification",
    "CheckpointKey",
    "FilteredList",
    "Integrity",
    "LogTarget",
    "Reader",
    "SavedFilter",
    "TokenLastUse",
    "UsageDay",
    "UsageRollup",
    "WitnessKey",
    "WitnessedLog",
]
