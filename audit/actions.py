"""Audit actions that the audit app itself records."""

from collections.abc import Mapping
from typing import Final

LOG_READ = "audit.log.read"
TRAIL_READ = "audit.trail.read"
PROOF_READ = "audit.proof.read"
CONSISTENCY_READ = "audit.consistency.read"
CHECKPOINT_READ = "audit.checkpoint.read"
CHECKPOINT_KEYS_READ = "audit.checkpoint_key.read"
# Refusals beyond the limit of the deduplication table. Only their number is recorded.
REFUSALS_OVERFLOWED = "api.refusals.overflowed"
WRITER_HEARTBEAT = "audit.writer.heartbeat"
# Evidence of tampering was found: ``code`` is the kind of alarm, ``meta`` has the details.
LOG_ALARMED = "audit.log.alarmed"
ALARM_LISTED = "audit.alarm.listed"
ALARM_RESOLVED = "audit.alarm.resolved"
# ``verify_audit_log`` ended: ``code`` is the result, empty if the log is intact.
LOG_VERIFIED = "audit.log.verified"
LOG_ROLLBACK_ACCEPTED = "audit.log.rollback_accepted"
CHECKPOINT_KEY_PUBLISHED = "audit.checkpoint_key.published"
CHECKPOINT_KEY_ROTATED = "audit.checkpoint_key.rotated"
EXPORT_LISTED = "audit.export.listed"
EXPORT_READ = "audit.export.read"
EXPORT_REQUESTED = "audit.export.requested"
EXPORT_FINISHED = "audit.export.finished"
EXPORT_FAILED = "audit.export.failed"
EXPORT_CANCELLED = "audit.export.cancelled"
EXPORT_DOWNLOADED = "audit.export.downloaded"
FILTER_LISTED = "audit.saved_filter.listed"
FILTER_SAVED = "audit.saved_filter.created"
FILTER_DELETED = "audit.saved_filter.deleted"
BACKUP_CREATED = "audit.backup.created"
BACKUP_RESTORED = "audit.backup.restored"
KEK_COPIED = "audit.kek.copied"

LABELS: Final[Mapping[str, str]] = {
    LOG_READ: "Read audit log",
    TRAIL_READ: "Read changed rows",
    PROOF_READ: "Get proof",
    CONSISTENCY_READ: "Get consistency proof",
    CHECKPOINT_READ: "Read checkpoint",
    CHECKPOINT_KEYS_READ: "Read checkpoint keys",
    REFUSALS_OVERFLOWED: "Send more requests",
    WRITER_HEARTBEAT: "Record writer progress",
    LOG_ALARMED: "Raise alarm",
    ALARM_LISTED: "List alarms",
    ALARM_RESOLVED: "Resolve alarm",
    LOG_VERIFIED: "Verify audit log",
    LOG_ROLLBACK_ACCEPTED: "Accept older database",
    CHECKPOINT_KEY_PUBLISHED: "Publish checkpoint key",
    CHECKPOINT_KEY_ROTATED: "Rotate checkpoint key",
    EXPORT_LISTED: "List exports",
    EXPORT_READ: "View export",
    EXPORT_REQUESTED: "Request export",
    EXPORT_FINISHED: "Finish export",
    EXPORT_FAILED: "Write export",
    EXPORT_CANCELLED: "Cancel export",
    EXPORT_DOWNLOADED: "Download export",
    FILTER_LISTED: "List saved filters",
    FILTER_SAVED: "Save filter",
    FILTER_DELETED: "Delete saved filter",
    BACKUP_CREATED: "Back up database",
    BACKUP_RESTORED: "Restore backup",
    KEK_COPIED: "Copy key-encryption keys",
}
