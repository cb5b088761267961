"""Audit actions that the audit app itself records."""

from typing import Final

from kernel.actions import Actions

LABELS: Final = Actions()

LOG_READ: Final = LABELS.add("audit.log.read", "Read audit log")
TRAIL_READ: Final = LABELS.add("audit.trail.read", "Read changed rows")
PROOF_READ: Final = LABELS.add("audit.proof.read", "Get proof")
CONSISTENCY_READ: Final = LABELS.add("audit.consistency.read", "Get consistency proof")
CHECKPOINT_READ: Final = LABELS.add("audit.checkpoint.read", "Read checkpoint")
CHECKPOINT_KEYS_READ: Final = LABELS.add("audit.checkpoint_key.read", "Read checkpoint keys")
# Refusals beyond the limit of the deduplication table. Only their number is recorded.
REFUSALS_OVERFLOWED: Final = LABELS.add("api.refusals.overflowed", "Requests without separate entries")
WRITER_HEARTBEAT: Final = LABELS.add("audit.writer.heartbeat", "Write heartbeat entry")
# Evidence of tampering was found: ``code`` is the kind of alarm, ``meta`` has the details.
LOG_ALARMED: Final = LABELS.add("audit.log.alarmed", "Raise alarm")
ALARM_LISTED: Final = LABELS.add("audit.alarm.listed", "List alarms")
ALARM_RESOLVED: Final = LABELS.add("audit.alarm.resolved", "Resolve alarm")
# ``verify_audit_log`` ended: ``code`` is the result, empty if the log is intact.
LOG_VERIFIED: Final = LABELS.add("audit.log.verified", "Verify audit log")
# A full verification as a job. Its result is the entry above.
VERIFICATION_REQUESTED: Final = LABELS.add("audit.verification.requested", "Request full verification")
VERIFICATION_READ: Final = LABELS.add("audit.verification.read", "View full verification")
VERIFICATION_CANCELLED: Final = LABELS.add("audit.verification.cancelled", "Cancel full verification")
VERIFICATION_FAILED: Final = LABELS.add("audit.verification.failed", "Run full verification")
# A pass of the continuous verification has gone through the whole log: ``code`` is "altered" if it has findings.
PASS_FINISHED: Final = LABELS.add("audit.pass.finished", "Finish verification pass")
LOG_ROLLBACK_ACCEPTED: Final = LABELS.add("audit.log.rollback_accepted", "Accept older database")
# The sums of all protected rows begin with the rows as they are: of a new database, or accepted by a person.
STATE_BEGUN: Final = LABELS.add("audit.state.begun", "Begin checksums of protected rows")
# A transaction without an entry of its own changed protected rows, such as a rewrap.
ROWS_CHANGED: Final = LABELS.add("audit.rows.changed", "Change protected rows")
CHECKPOINT_KEY_PUBLISHED: Final = LABELS.add("audit.checkpoint_key.published", "Publish checkpoint key")
CHECKPOINT_KEY_ROTATED: Final = LABELS.add("audit.checkpoint_key.rotated", "Rotate checkpoint key")
# As a witness for the logs of others.
WITNESS_KEY_CREATED: Final = LABELS.add("audit.witness_key.created", "Create witness key")
WITNESS_KEY_READ: Final = LABELS.add("audit.witness_key.read", "Read witness key")
CHECKPOINT_COSIGNED: Final = LABELS.add("audit.checkpoint.cosigned", "Cosign checkpoint")
COSIGNED_CHECKPOINT_READ: Final = LABELS.add("audit.cosigned_checkpoint.read", "Read cosigned checkpoint")
SEGMENT_ARCHIVED: Final = LABELS.add("audit.segment.archived", "Archive segment")
JOURNAL_ANCHORED: Final = LABELS.add("audit.journal.anchored", "Anchor the sealed journal")
SEGMENT_LISTED: Final = LABELS.add("audit.segment.listed", "List segments")
LOG_TARGET_LISTED: Final = LABELS.add("audit.log_target.listed", "List log targets")
LOG_TARGET_READ: Final = LABELS.add("audit.log_target.read", "View log target")
LOG_TARGET_CREATED: Final = LABELS.add_guarded("audit.log_target.created", "Create log target")
LOG_TARGET_CHANGED: Final = LABELS.add_guarded("audit.log_target.changed", "Change log target")
LOG_TARGET_ENABLED: Final = LABELS.add_guarded("audit.log_target.enabled", "Enable log target")
LOG_TARGET_DISABLED: Final = LABELS.add_guarded("audit.log_target.disabled", "Disable log target")
LOG_TARGET_RESET: Final = LABELS.add_guarded("audit.log_target.reset", "Reset position of log target")
LOG_TARGET_TESTED: Final = LABELS.add("audit.log_target.tested", "Test log target")
LOG_TARGET_DELETED: Final = LABELS.add_guarded("audit.log_target.deleted", "Delete log target")
EXPORT_LISTED: Final = LABELS.add("audit.export.listed", "List exports")
EXPORT_READ: Final = LABELS.add("audit.export.read", "View export")
EXPORT_REQUESTED: Final = LABELS.add("audit.export.requested", "Request export")
EXPORT_FINISHED: Final = LABELS.add("audit.export.finished", "Finish export")
EXPORT_FAILED: Final = LABELS.add("audit.export.failed", "Write export")
EXPORT_CANCELLED: Final = LABELS.add("audit.export.cancelled", "Cancel export")
EXPORT_DOWNLOADED: Final = LABELS.add("audit.export.downloaded", "Download export")
FILTER_LISTED: Final = LABELS.add("audit.saved_filter.listed", "List saved filters")
FILTER_SAVED: Final = LABELS.add("audit.saved_filter.created", "Save filter")
FILTER_DELETED: Final = LABELS.add("audit.saved_filter.deleted", "Delete saved filter")
BACKUP_CREATED: Final = LABELS.add("audit.backup.created", "Back up database")
BACKUP_RESTORED: Final = LABELS.add("audit.backup.restored", "Restore backup")
BACKUP_DRILLED: Final = LABELS.add("audit.backup.drilled", "Run restore drill")
KEK_COPIED: Final = LABELS.add("audit.kek.copied", "Copy key-encryption keys")
