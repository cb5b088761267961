"""The audit app's own words for what happened, or was tried."""

LOG_READ = "audit.log.read"
TRAIL_READ = "audit.trail.read"
# Refusals beyond the bound of the flood table, told as a number only.
REFUSALS_OVERFLOWED = "api.refusals.overflowed"
WRITER_HEARTBEAT = "audit.writer.heartbeat"
# The sequencer found what must not be: ``code`` says what, ``meta`` where.
LOG_ALARMED = "audit.log.alarmed"
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
