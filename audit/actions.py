"""The audit app's own words for what happened, or was tried."""

LOG_READ = "audit.log.read"
TRAIL_READ = "audit.trail.read"
# A request that was refused before any view could say what it wanted.
REQUEST_REFUSED = "api.request.refused"
# Refusals beyond the bound of the flood table, told as a number only.
REFUSALS_OVERFLOWED = "api.refusals.overflowed"
