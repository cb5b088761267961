"""The audit app's own words for what happened, or was tried."""

LOG_READ = "audit.log.read"
TRAIL_READ = "audit.trail.read"
# Refusals beyond the bound of the flood table, told as a number only.
REFUSALS_OVERFLOWED = "api.refusals.overflowed"
WRITER_HEARTBEAT = "audit.writer.heartbeat"
